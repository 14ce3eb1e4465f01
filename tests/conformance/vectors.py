"""Read the vectors of tests/vectors/: examples of calls of each operation, with their right answers."""

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "vectors"


@cache
def by_operation() -> dict[str, list[dict[str, Any]]]:
    """Return each operation's vectors, by `<family>.<name>`."""
    return {
        f"{path.parent.name}.{path.stem}": decoded(json.loads(path.read_text()))
        for path in sorted(FOLDER.glob("*/*.json"))
    }


@cache
def arguments_called(name: str) -> list[Any]:
    """Return every value that any vector gives to a parameter of this name."""
    return list(_arguments_called(name))


def _arguments_called(name: str) -> Iterator[Any]:
    for vectors in by_operation().values():
        for vector in vectors:
            if name in vector["arguments"]:
                yield vector["arguments"][name]


def decoded(value: Any) -> Any:
    """Replace each {"base64": …} in decoded JSON with the bytes that it stands for."""
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {key: decoded(inner) for key, inner in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list) else value
