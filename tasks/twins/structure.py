"""What a tree says when types, comments and semicolons are left out, in the terms of JavaScript's grammar."""

from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins.erasure import Erased

_COMMENTS: Final = {"comment", "html_comment"}
#: Nodes of TypeScript's grammar that JavaScript's has under another name.
_NAMES: Final = {
    "abstract_class_declaration": "class_declaration",
    "public_field_definition": "field_definition",
    "type_identifier": "identifier",
}
#: Nodes of TypeScript's grammar that JavaScript's does without.
_TRANSPARENT: Final = {
    "as_expression",
    "extends_clause",
    "instantiation_expression",
    "non_null_expression",
    "optional_chain",
    "satisfies_expression",
}
_PARAMETERS: Final = {"optional_parameter", "required_parameter"}
_END: Final = ")"


def structure(root: Any, gone: list[Erased]) -> Iterator[str]:
    """Give the kinds of the nodes, the texts of the leaves, and where each node ends."""
    spans = sorted((one.start, one.end) for one in gone)
    waiting: list[Any] = [root]
    at = 0
    while waiting:
        node = waiting.pop()
        if node is None:
            yield _END
            continue
        while at < len(spans) and spans[at][1] <= node.start_byte:
            at += 1
        if _is_left_out(node, spans[at] if at < len(spans) else None):
            continue
        if not node.children and node.parent is not None:
            yield node.text.decode()
            continue
        kind = _kind(node)
        if kind:
            yield f"({kind}"
            waiting.append(None)
        waiting += reversed(node.children)


def _is_left_out(node: Any, span: tuple[int, int] | None) -> bool:
    if node.type in _COMMENTS or node.type in (";", "empty_statement") or node.start_byte == node.end_byte:
        return node.parent is not None
    return span is not None and span[0] <= node.start_byte and node.end_byte <= span[1]


def _kind(node: Any) -> str | None:
    if node.type in _TRANSPARENT:
        return None
    if node.type in _PARAMETERS:
        return "assignment_pattern" if node.child_by_field_name("value") is not None else None
    kind: str = _NAMES.get(node.type, node.type)
    return kind
