"""Find syntax errors with tree-sitter, which recovers from them and knows no early errors."""

from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins import languages
from wasmfleet.tasks.twins.positions import Positions
from wasmfleet.workers.errors import InvalidSource

UNCHECKED: Final = "early errors"
NEWER: Final = "whether a newer grammar knows the syntax that was refused"


def validate(source: str, filename: str, language: str) -> Any:
    """Make the report of `ast.validate`, which names what was not checked."""
    chosen = languages.name(filename, language)
    found = _diagnostics(source, languages.parse(source.encode(), chosen).root_node)
    return {
        "valid": not found,
        "language": chosen,
        "diagnostics": found,
        "unchecked": [UNCHECKED, NEWER] if found else [UNCHECKED],
    }


def parsed(source: str, chosen: str) -> Any:
    """Give the root node of a source. Raises InvalidSource at the first syntax error."""
    root = languages.parse(source.encode(), chosen).root_node
    for found in _diagnostics(source, root):
        place = {key: found[key] for key in ("line", "column", "offset")}
        raise InvalidSource(found["message"], {**place, "unchecked": [NEWER]})
    return root


def _diagnostics(source: str, root: Any) -> list[dict[str, Any]]:
    if not root.has_error:
        return []
    positions = Positions(source)
    return [_diagnostic(node, positions) for node in _errors(root)]


def _errors(root: Any) -> Iterator[Any]:
    """Give the outermost error nodes, in the order of the source."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            yield node
        elif node.has_error:
            waiting += reversed(node.children)


def _diagnostic(node: Any, positions: Positions) -> dict[str, Any]:
    message = f"Expected `{node.type}`" if node.is_missing else "Unexpected syntax"
    length = positions.point(node.end_byte) - positions.point(node.start_byte)
    place = positions.place(node.start_byte)
    return {
        "code": "syntax-error",
        "message": message,
        "severity": "error",
        **place,
        "length": length,
        "hint": "",
    }
