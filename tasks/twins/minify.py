"""Remove comments and white space from JavaScript with rjsmin; names stay."""

from collections.abc import Iterator
from typing import Any

import rjsmin

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.workers.errors import NotSupportedInLane


def optimize(source: str, filename: str, language: str, source_map: bool) -> Any:
    chosen = languages.name(filename, language)
    if chosen in ("typescript", "tsx"):
        raise NotSupportedInLane("plain Python cannot optimise TypeScript; use a sandbox")
    if source_map:
        raise NotSupportedInLane("plain Python makes no source maps; use a sandbox")
    refuse_jsx(syntax.parsed(source, chosen))
    code = rjsmin.jsmin(source)
    return {
        "code": code,
        "map": None,
        "input_bytes": len(source.encode()),
        "output_bytes": len(code.encode()),
    }


def refuse_jsx(root: Any) -> None:
    if any(node.type.startswith("jsx_") for node in walk(root)):
        raise NotSupportedInLane("plain Python leaves JSX alone; use a sandbox")


def walk(root: Any) -> Iterator[Any]:
    """Give every node of a tree, parents first, in the order of the source."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)
