"""Turn TypeScript into JavaScript by writing blanks over the types: every other character keeps its place."""

from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.tasks.twins.minify import refuse_jsx
from wasmfleet.tasks.twins.tokens import walk
from wasmfleet.workers.errors import NotSupportedInLane

_BLANKED: Final = {
    "abstract_method_signature",
    "accessibility_modifier",
    "ambient_declaration",
    "asserts_annotation",
    "function_signature",
    "implements_clause",
    "index_signature",
    "interface_declaration",
    "method_signature",
    "override_modifier",
    "type_alias_declaration",
    "type_annotation",
    "type_arguments",
    "type_parameters",
    "type_predicate_annotation",
}
_REFUSED: Final = {
    "decorator": "decorators",
    "enum_declaration": "enums",
    "export_assignment": "`export =`",
    "import_alias": "import aliases",
    "import_require_clause": "`import = require()`",
    "internal_module": "namespaces",
    "module": "modules",
    "type_assertion": "type assertions in angle brackets",
}
_EMPTY_EXPORT: Final = b"export {};"
_OPTIONAL_HOLDERS: Final = {"optional_parameter", "public_field_definition", "method_definition"}
_UNCHECKED: Final = ["early errors", "imports used only as types are kept"]


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
        "code": _blanked(source.encode(), root) if typed else source,
        "map": None,
        "unchecked": _UNCHECKED,
    }


def _blanked(source: bytes, root: Any) -> str:
    text, blanked = bytearray(source), list(_types(root))
    for start, end in blanked:
        for at in range(start, end):
            if text[at] not in b"\r\n":
                text[at] = ord(" ")
    return _as_module(text, root, {start for start, _ in blanked}).decode()


def _as_module(text: bytearray, root: Any, blanked: set[int]) -> bytearray:
    """A module of which no import and no export is left stays one: an empty export stands where the first one was."""
    statements = [node for node in root.children if node.type in ("import_statement", "export_statement")]
    if statements and all(node.start_byte in blanked for node in statements):
        start = statements[0].start_byte
        text[start : start + len(_EMPTY_EXPORT)] = _EMPTY_EXPORT
    return text


def _types(root: Any) -> Iterator[tuple[int, int]]:
    for node in walk(root):
        if node.type in _REFUSED and node.is_named and node.parent is not None:
            raise NotSupportedInLane(f"plain Python cannot lower {_REFUSED[node.type]}; use a sandbox")
        if node.type in _BLANKED:
            yield _statement(node)
        else:
            yield from _within(node)


def _statement(node: Any) -> tuple[int, int]:
    """Give the span of a node in bytes, with the `export` before it and the semicolon behind it."""
    if node.type == "accessibility_modifier" and node.parent.type == "required_parameter":
        raise NotSupportedInLane("plain Python cannot lower parameter properties; use a sandbox")
    outer = node.parent if node.parent.type == "export_statement" else node
    following = outer.next_sibling
    end = following.end_byte if following is not None and following.type == ";" else outer.end_byte
    return outer.start_byte, end


def _within(node: Any) -> Iterator[tuple[int, int]]:
    """Give the spans that are blanked inside a node that stays."""
    children = node.children
    if node.type in ("as_expression", "satisfies_expression"):
        yield children[0].end_byte, node.end_byte
    elif node.type == "required_parameter" and children[0].type == "this":
        yield node.start_byte, _with_comma(node)
    elif node.type == "non_null_expression":
        yield children[-1].start_byte, node.end_byte
    elif node.type in ("import_statement", "export_statement") and any(
        child.type == "type" for child in children
    ):
        yield node.start_byte, node.end_byte
    elif node.type in ("import_specifier", "export_specifier") and any(
        child.type == "type" for child in children
    ):
        yield node.start_byte, _with_comma(node)
    for child in children:
        if child.type in ("readonly", "declare", "abstract") and not child.is_named:
            yield child.start_byte, child.end_byte
        if child.type in ("?", "!") and node.type in _OPTIONAL_HOLDERS | {"variable_declarator"}:
            yield child.start_byte, child.end_byte


def _with_comma(node: Any) -> int:
    following = node.next_sibling
    end: int = following.end_byte if following is not None and following.type == "," else node.end_byte
    return end
