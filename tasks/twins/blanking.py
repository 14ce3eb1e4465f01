"""Turn TypeScript into JavaScript by writing blanks over the types: every other character keeps its place.

The result is read again as JavaScript: it must be the tree of the source without its types, or the source is refused.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.tasks.twins.bindings import unneeded
from wasmfleet.tasks.twins.erasure import Erased, erased, refuse_ambiguous
from wasmfleet.tasks.twins.minify import refuse_jsx
from wasmfleet.tasks.twins.structure import structure
from wasmfleet.tasks.twins.tokens import LINE_END, leaves, walk
from wasmfleet.workers.errors import NotSupportedInLane

_EMPTY_EXPORT: Final = b"export {};"
#: An import is kept if its name occurs outside types, even where that is another name.
_UNCHECKED: Final = [syntax.UNCHECKED, "imports used only as types, where something else has their name"]
#: What a statement can begin with that would go on with the statement before, or be a directive.
_GOES_ON: Final = tuple(b"([`+-/*<.,\"'")
_BLANK, _SEMICOLON, _LINE_ENDS = ord(" "), ord(";"), b"\r\n"


def transform(source: str, filename: str, language: str, target: str, source_map: bool) -> Any:
    if target != "esnext":
        raise NotSupportedInLane(f"plain Python cannot lower to {target}; use a sandbox, or target esnext")
    if source_map:
        raise NotSupportedInLane("plain Python makes no source maps; use a sandbox")
    chosen = languages.name(filename, language)
    root = syntax.parsed(source, chosen)
    refuse_jsx(root)
    typed = chosen in ("typescript", "tsx")
    return {
        "code": _without_types(source.encode(), root) if typed else source,
        "map": None,
        "unchecked": _UNCHECKED,
    }


def _without_types(source: bytes, root: Any) -> str:
    refuse_ambiguous(list(leaves(root)))
    gone = list(erased(source, root))
    gone = sorted([*gone, *unneeded(root, gone)], key=lambda one: one.start)
    text = bytearray(source)
    for one in gone:
        _blank(text, one)
    for one in gone:
        may_go_on = one.is_statement or one.is_first_in_member
        if one.is_member or (may_go_on and _next_token(text, one.end) in _GOES_ON):
            text[one.start] = _SEMICOLON
    _refuse_changes(root, bytes(text), gone)
    return _as_module(text, root, {one.start for one in gone if one.is_statement}).decode()


def _blank(text: bytearray, one: Erased) -> None:
    for at in range(one.start, one.end):
        if one.is_joined or text[at] not in _LINE_ENDS:
            text[at] = _BLANK


def _next_token(text: bytearray, at: int) -> int:
    """The first byte behind a statement that is neither white space nor in a comment; 0 at the end."""
    while rest := bytes(text[at : at + 2]):
        if rest == b"//":
            at = _found(text, b"\n", at)
        elif rest == b"/*":
            at = _found(text, b"*/", at) + 1
        elif not rest[:1].isspace():
            return rest[0]
        at += 1
    return 0


def _found(text: bytearray, mark: bytes, at: int) -> int:
    place = text.find(mark, at)
    return len(text) if place < 0 else place


def _refuse_changes(root: Any, text: bytes, gone: list[Erased]) -> None:
    after = languages.parse(text, "javascript").root_node
    same = not after.has_error and list(structure(root, gone)) == list(structure(after, []))
    if not same or any(map(_is_broken, _before_arrows(after))):
        raise NotSupportedInLane("plain Python cannot erase the types here without a change; use a sandbox")


def _before_arrows(root: Any) -> Iterator[str]:
    """What stands between `async`, the parameters and the arrow of each arrow function: no line may end there."""
    for node in walk(root):
        if node.type == "arrow_function":
            before = [child for child in node.children if child.type != "comment"]
            arrow = next(at for at, child in enumerate(before) if child.type == "=>")
            for child, following in pairwise(before[: arrow + 1]):
                yield node.text[
                    child.end_byte - node.start_byte : following.start_byte - node.start_byte
                ].decode()


def _is_broken(between: str) -> bool:
    return LINE_END.search(between) is not None


def _as_module(text: bytearray, root: Any, blanked: set[int]) -> bytearray:
    """A module of which no import and no export is left stays one: an empty export stands where the first one was."""
    statements = [node for node in root.children if node.type in ("import_statement", "export_statement")]
    if statements and all(node.start_byte in blanked for node in statements):
        start = statements[0].start_byte
        text[start : start + len(_EMPTY_EXPORT)] = _EMPTY_EXPORT
    return text
