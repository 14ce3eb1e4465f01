"""Parse a source into ESTree with esprima, which knows ECMAScript 2017 and JSX."""

import json
import math
import re
from bisect import bisect_right
from typing import Any

import esprima
import msgspec

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.workers.errors import NotSupportedInLane


def parse(source: str, filename: str, language: str, source_type: str, objects: bool) -> Any:
    chosen = languages.name(filename, language)
    if chosen in ("typescript", "tsx"):
        raise NotSupportedInLane("plain Python cannot parse TypeScript; use a sandbox")
    tree = _in_spans(_parsed(source, filename, chosen, source_type))
    _end_at_tokens(tree, [token["end"] for token in tree.pop("tokens")])
    tree |= {"start": 0, "end": len(source)}
    return {
        "language": chosen,
        "estree": _carried(tree) if objects else _encoded(tree),
        "unchecked": [syntax.UNCHECKED],
    }


def _parsed(source: str, filename: str, chosen: str, source_type: str) -> Any:
    kind = source_type if source_type != "auto" else _kind(source, filename)
    parser = esprima.parseModule if kind == "module" else esprima.parseScript
    try:
        return esprima.toDict(parser(source, {"range": True, "jsx": True, "tokens": True}))
    except esprima.Error as error:
        syntax.parsed(source, chosen)
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


def _encoded(tree: Any) -> bytes:
    try:
        return msgspec.json.encode(tree)
    except UnicodeEncodeError:  # a lone surrogate: JSON can escape it, which msgspec does not
        return json.dumps(tree, separators=(",", ":")).encode()


def _carried(node: Any) -> Any:
    """The tree as objects, with U+FFFD for a lone surrogate: UTF-8 cannot carry one."""
    if isinstance(node, dict):
        return {key: _carried(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_carried(child) for child in node]
    if isinstance(node, str):
        return node.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return node


def _end_at_tokens(tree: Any, token_ends: list[int]) -> None:
    """esprima ends a statement without a semicolon where the next token begins; ESTree, where its last one ends."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        waiting += node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
        if isinstance(node, dict) and "end" in node:
            before = bisect_right(token_ends, node["end"])
            if before and token_ends[before - 1] > node["start"]:
                node["end"] = token_ends[before - 1]


def _in_spans(node: Any) -> Any:
    """Replace the `range` of each of esprima's nodes by `start` and `end`, both in code points."""
    if isinstance(node, list):
        return [_in_spans(child) for child in node]
    if isinstance(node, re.Pattern) or node == math.inf:
        return None  # ESTree: a regular expression has no JSON value, nor has a number that is infinite
    if not isinstance(node, dict):
        return node
    spans = dict(zip(("start", "end"), node.get("range", ()), strict=False))
    return {key: _in_spans(value) for key, value in node.items() if key != "range"} | spans
