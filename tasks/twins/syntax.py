"""Find syntax errors with tree-sitter, which recovers from them and knows no early errors."""

from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins import certainty, languages
from wasmfleet.tasks.twins.positions import Positions
from wasmfleet.workers.errors import InvalidSource, NotSupportedInLane

#: What a tolerant grammar leaves to others.
UNCHECKED: Final = "early errors"
_OLD: Final = "plain Python's grammar does not know this syntax, which may be newer or wrong; use a sandbox"


def validate(source: str, filename: str, language: str) -> Any:
    """Make the report of `ast.validate`, which names what was not checked.

    Raises NotSupportedInLane where the grammar refuses what a newer one may know.
    """
    chosen = languages.name(filename, language)
    root = languages.parse(source.encode(), chosen).root_node
    found = [] if _is_accepted(source, chosen, root) else _faults(source, chosen, root)
    return {"valid": not found, "language": chosen, "diagnostics": found, "unchecked": [UNCHECKED]}


def parsed(source: str, chosen: str) -> Any:
    """Give the root node of a source.

    Raises InvalidSource at the first syntax error, NotSupportedInLane where it may be newer syntax.
    """
    root = languages.parse(source.encode(), chosen).root_node
    if root.has_error:
        refuse(source, chosen, root)
    return root


def refuse(source: str, chosen: str, root: Any) -> None:
    """Raise InvalidSource for a source that is surely faulty, NotSupportedInLane for any other that has an error."""
    first = _faults(source, chosen, root)[0]
    raise InvalidSource(first["message"], {key: first[key] for key in ("line", "column", "offset")})


def _is_accepted(source: str, chosen: str, root: Any) -> bool:
    return not root.has_error or certainty.is_sound(source, chosen)


def _faults(source: str, chosen: str, root: Any) -> list[dict[str, Any]]:
    positions, errors = Positions(source), list(_errors(root))
    found = [_diagnostic(node, positions) for node in errors]
    if not certainty.is_faulty(source, chosen, root, errors):
        raise NotSupportedInLane(_OLD, {key: found[0][key] for key in ("line", "column", "offset")})
    return found


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
