"""The tokens of a source, read off the leaves of its tree, and what stands between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from wasmfleet.workers.errors import NotSupportedInLane

#: Nodes that are one token, whatever parts the grammar gives them.
_WHOLE: Final = {"string", "regex", "number", "hash_bang_line", "private_property_identifier"}
_COMMENTS: Final = {"comment", "html_comment"}
#: White space, line ends and comments of ECMA-262; tree-sitter's own idea of them is not relied on.
BETWEEN: Final = re.compile(
    r"(?:[\t\v\f\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
    r"|//[^\n\r\u2028\u2029]*|/\*(?:[^*]|\*(?!/))*\*/)*"
)
LINE_END: Final = re.compile(r"[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Token:
    """One token, or one stretch of a template: from a backtick or brace to the next."""

    kind: str
    text: str
    start: int
    end: int
    #: Whether anything stands between this token and the one before, and whether a line ends there.
    is_apart: bool
    is_on_new_line: bool


def walk(root: Any) -> Iterator[Any]:
    """Give every node of a tree, parents first, in the order of the source."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def leaves(root: Any) -> Iterator[Any]:
    """Give the nodes without parts that have a text and are no comments, of a tree that may have errors."""
    for node in walk(root):
        if not node.children and node.end_byte > node.start_byte and node.type not in _COMMENTS:
            yield node


def tokens(source: bytes, root: Any) -> Iterator[Token]:
    """Give the tokens of a tree without errors. Raises NotSupportedInLane where it is in doubt what a token is."""
    before = 0
    for kind, start, end in _spans(root):
        between = source[before:start].decode()
        if between and not BETWEEN.fullmatch(between):
            raise NotSupportedInLane(
                "plain Python cannot tell the tokens of this source apart; use a sandbox"
            )
        is_on_new_line = bool(between) and LINE_END.search(between) is not None
        yield Token(kind, source[start:end].decode(), start, end, bool(between), is_on_new_line)
        before = end


def _spans(root: Any) -> Iterator[tuple[str, int, int]]:
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            yield node
        elif node.type == "html_comment":
            raise NotSupportedInLane("plain Python does not read comments in HTML's form; use a sandbox")
        elif node.type == "template_string":
            waiting += reversed(list(_template(node)))
        elif node.children and node.type not in _WHOLE:
            waiting += reversed(node.children)
        elif node.end_byte > node.start_byte and node.type not in _COMMENTS:
            yield node.type, node.start_byte, node.end_byte


def _template(template: Any) -> Iterator[Any]:
    """The stretches of a template's text, and between them the nodes of its substitutions."""
    start = template.start_byte
    for child in template.children:
        if child.type == "template_substitution":
            opening, *inner, closing = child.children
            yield "template", start, opening.end_byte
            yield from inner
            start = closing.start_byte
    yield "template", start, template.end_byte
