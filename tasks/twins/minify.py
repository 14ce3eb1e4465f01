"""Remove comments and white space from JavaScript with rjsmin; names stay."""

from collections.abc import Iterator
from typing import Any, Final

import rjsmin

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.workers.errors import NotSupportedInLane

_COMMENTS: Final = {"comment", "html_comment"}


def optimize(source: str, filename: str, language: str, source_map: bool) -> Any:
    chosen = languages.name(filename, language)
    if chosen in ("typescript", "tsx"):
        raise NotSupportedInLane("plain Python cannot optimise TypeScript; use a sandbox")
    if source_map:
        raise NotSupportedInLane("plain Python makes no source maps; use a sandbox")
    root = syntax.parsed(source, chosen)
    refuse_jsx(root)
    code = rjsmin.jsmin(source)
    _refuse_changes(root, languages.parse(code.encode(), chosen).root_node)
    return {
        "code": code,
        "map": None,
        "input_bytes": len(source.encode()),
        "output_bytes": len(code.encode()),
        "unchecked": [syntax.UNCHECKED],
    }


def refuse_jsx(root: Any) -> None:
    if any(node.type.startswith("jsx_") for node in walk(root)):
        raise NotSupportedInLane("plain Python leaves JSX alone; use a sandbox")


def _refuse_changes(before: Any, after: Any) -> None:
    """rjsmin (1.2.5) knows no grammar: of `1 .a`, `1. in b` or `var \\u0061` it makes something else."""
    if list(_tokens(before)) != list(_tokens(after)) or any(map(_is_glued, walk(after))):
        raise NotSupportedInLane("plain Python cannot shorten this source without changing it; use a sandbox")


def _tokens(root: Any) -> Iterator[tuple[str, bytes]]:
    """The tree without its comments: each node's kind, and the text of those that have no parts."""
    for node in walk(root):
        if node.type not in _COMMENTS:
            yield node.type, b"" if node.children else node.text


def _is_glued(node: Any) -> bool:
    """Whether a number has a name right behind it, which tree-sitter takes and ECMAScript refuses."""
    following = node.next_sibling
    return (
        node.type == "number"
        and following is not None
        and following.start_byte == node.end_byte
        and following.text[:1].isalpha()
    )


def walk(root: Any) -> Iterator[Any]:
    """Give every node of a tree, parents first, in the order of the source."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)
