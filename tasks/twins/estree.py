"""Parse a source into ESTree with esprima, which knows ECMAScript 2017 and JSX."""

import re
from typing import Any

import esprima
import msgspec

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.workers.errors import NotSupportedInLane


def parse(source: str, filename: str, language: str, source_type: str, objects: bool) -> Any:
    chosen = languages.name(filename, language)
    if chosen in ("typescript", "tsx"):
        raise NotSupportedInLane("plain Python cannot parse TypeScript; use a sandbox")
    syntax.parsed(source, chosen)
    tree = _in_spans(_parsed(source, filename, source_type))
    return {
        "language": chosen,
        "estree": tree if objects else msgspec.json.encode(tree),
        "unchecked": [syntax.UNCHECKED],
    }


def _parsed(source: str, filename: str, source_type: str) -> Any:
    kind = source_type if source_type != "auto" else _kind(source, filename)
    parser = esprima.parseModule if kind == "module" else esprima.parseScript
    try:
        return esprima.toDict(parser(source, {"range": True, "jsx": True}))
    except esprima.Error as error:
        place = {"line": error.lineNumber, "column": error.column, "offset": error.index}
        reason = f"plain Python knows ECMAScript 2017 only: {error.message}; use a sandbox"
        raise NotSupportedInLane(reason, place) from None


def _kind(source: str, filename: str) -> str:
    lower = filename.lower()
    if lower.endswith((".mjs", ".cjs")):
        return "module" if lower.endswith(".mjs") else "script"
    root = languages.parse(source.encode(), "jsx").root_node
    return (
        "module"
        if any(node.type in ("import_statement", "export_statement") for node in root.children)
        else "script"
    )


def _in_spans(node: Any) -> Any:
    """Replace the `range` of each of esprima's nodes by `start` and `end`, both in code points."""
    if isinstance(node, list):
        return [_in_spans(child) for child in node]
    if isinstance(node, re.Pattern):
        return None  # ESTree: a regular expression has no JSON value
    if not isinstance(node, dict):
        return node
    spans = dict(zip(("start", "end"), node.get("range", ()), strict=False))
    return {key: _in_spans(value) for key, value in node.items() if key != "range"} | spans
