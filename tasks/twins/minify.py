"""Remove comments and white space from JavaScript; its tokens, and the line ends that may end a statement, stay."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.tasks.twins.tokens import Token, tokens, walk
from wasmfleet.workers.errors import NotSupportedInLane

_COMMENTS: Final = {"comment", "html_comment"}
#: No statement can end behind these tokens, nor before those: a line end there means nothing (ECMA-262, 12.10).
_GO_ON: Final = {
    *("(", "[", "{", ";", ",", "=>", "=", "==", "===", "!=", "!==", "<=", ">=", "&&", "||", "??", "?"),
    *(":", "+=", "-=", "*=", "%=", "&", "|", "^", "%"),
}
_CLOSE: Final = frozenset([")", "]", "}", ";", ","])
_PUNCTUATORS: Final = (
    *("...", "<=", ">=", "==", "!=", "===", "!==", "**", "++", "--", "<<", ">>", ">>>", "&&", "||", "??"),
    *("?.", "+=", "-=", "*=", "/=", "%=", "**=", "<<=", ">>=", ">>>=", "&=", "|=", "^=", "&&=", "||="),
    *("??=", "=>"),
)
_WORDS: Final = {"number", "regex"}


def optimize(source: str, filename: str, language: str, source_map: bool) -> Any:
    chosen = languages.name(filename, language)
    if chosen in ("typescript", "tsx"):
        raise NotSupportedInLane("plain Python cannot optimise TypeScript; use a sandbox")
    if source_map:
        raise NotSupportedInLane("plain Python makes no source maps; use a sandbox")
    root = syntax.parsed(source, chosen)
    refuse_jsx(root)
    code = "".join(_shortened(list(tokens(source.encode(), root))))
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


def _shortened(found: list[Token]) -> Iterator[str]:
    _refuse_doubtful(found)
    if found:
        yield found[0].text
    for before, token in pairwise(found):
        yield _between(before, token)
        yield token.text


def _between(before: Token, token: Token) -> str:
    if before.kind == "hash_bang_line":
        return "\n"
    if token.is_on_new_line and not (_goes_on(before) or token.text[0] in _CLOSE):
        return "\n"
    return " " if token.is_apart and _must_be_apart(before, token) else ""


def _goes_on(token: Token) -> bool:
    return token.text in _GO_ON or (token.kind == "template" and token.text.endswith("${"))


def _must_be_apart(before: Token, token: Token) -> bool:
    """Whether two tokens without a blank between them would be read as other tokens."""
    left, right = before.text, token.text
    if _is_wordy(right[0]) and (_is_wordy(left[-1]) or before.kind in _WORDS):
        return True
    if before.kind == "number" and right[0] == ".":
        return True
    if (left[-1], right[0]) in {("/", "/"), ("/", "*"), ("<", "/"), ("<", "!"), ("!", "-"), ("-", ">")}:
        return True
    return any(
        one.startswith(left) and len(one) > len(left) and f"{left}{right}".startswith(one)
        for one in _PUNCTUATORS
    )


def _is_wordy(character: str) -> bool:
    return character.isalnum() or character in "_$\\#@" or not character.isascii()


def _refuse_doubtful(found: list[Token]) -> None:
    """Refuse what the grammar reads one way and a script, a module or a generator may read another way."""
    for at, token in enumerate(found):
        following = _adjoining(found[at + 1 : at + 3])
        is_first = at == 0 or token.is_on_new_line
        if (token.text == "<" and following.startswith("!--")) or (
            is_first and token.text == "--" and following.startswith(">")
        ):
            raise NotSupportedInLane("plain Python does not read comments in HTML's form; use a sandbox")
        if token.text in ("yield", "await") and found[at + 1 : at + 2] and found[at + 1].text[0] == "/":
            reason = f"plain Python cannot tell a division after `{token.text}` from a regular expression"
            raise NotSupportedInLane(f"{reason}; use a sandbox")


def _adjoining(following: Iterable[Token]) -> str:
    return "".join(" " * token.is_apart + token.text for token in following)


def _refuse_changes(before: Any, after: Any) -> None:
    """Read the result again: it must have the tokens and the structure of the source."""
    if list(_structure(before)) != list(_structure(after)):
        raise NotSupportedInLane("plain Python cannot shorten this source without changing it; use a sandbox")


def _structure(root: Any) -> Iterator[tuple[str, bytes]]:
    """The tree without its comments: each node's kind, and the text of those that have no parts."""
    for node in walk(root):
        if node.type not in _COMMENTS:
            yield node.type, b"" if node.children else node.text
