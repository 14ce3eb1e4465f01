"""The meaning of a result: what both lanes must have in common if they may return different values.

If the family has an operation that undoes this one, a result means the input that it was made of; otherwise it means
itself. An operation is named here only if its docstring promises something else, so a new one rarely needs a line.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.conformance import counterparts
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.contracts.operation import Operation

#: By operation, errors that can both be right for one call, as its docstring says. A lane reports the one that it meets
#: first.
EITHER: Final = {
    "wasmfleet.compression.decompress": {"CorruptData", "OutputTooLarge"},
}


def of(operation: Operation, arguments: dict[str, Any], value: Any) -> Any:
    """Return the meaning of a value that an `equivalent` or `reduced` operation gave for these arguments."""
    if operation.name in _BY_OPERATION:
        return _BY_OPERATION[operation.name](arguments, value)
    undoing = counterparts.undoing(operation)
    if undoing is not None:
        return undone(undoing, counterparts.arguments_of(undoing, value, arguments))
    if operation.parity == "reduced" and isinstance(value, dict):
        return {name: inner for name, inner in value.items() if name != "unchecked"}
    return value


def undone(undoing: Operation, arguments: dict[str, Any]) -> Any:
    """Undo a result in both lanes, which must agree, and return what it was made of."""
    sandboxed, plain = (counterparts.call(undoing, lane, arguments) for lane in ("wasm", "python"))
    assert sandboxed == plain
    return sandboxed


def _best(_arguments: dict[str, Any], value: Any) -> Any:
    """Compare the decompressed data and what was tried: the encoders' sizes differ, and so may the smallest one."""
    assert len(value["data"]) == min(attempt["size"] for attempt in value["tried"])
    assert {"codec": value["codec"], "level": value["level"], "size": len(value["data"])} in value["tried"]
    data = undone(find("compression.decompress").operation, {"data": value["data"], "codec": value["codec"]})
    return data, [(attempt["codec"], attempt["level"]) for attempt in value["tried"]]


def _optimized(arguments: dict[str, Any], value: Any) -> Any:
    """Optimize the code again in the sandbox: however little a lane did, the outcome must be the same."""
    assert value["input_bytes"] == len(arguments["source"].encode())
    assert value["output_bytes"] == len(value["code"].encode())
    return find("ast.optimize").wasm(**arguments | {"source": value["code"]})["code"]


def _verdict(arguments: dict[str, Any], value: Any) -> Any:
    """Compare the language only, since the lanes check different things; each finding must lie in the source.

    A twin checks less, so it may call a faulty source valid. It may not call a valid one faulty.
    """
    assert value["valid"] == (not value["diagnostics"])
    assert value["valid"] or not find("ast.validate").wasm(**arguments)["valid"], (
        "a valid source is called faulty"
    )
    for found in value["diagnostics"]:
        before = arguments["source"][: found["offset"]]
        assert found["line"] == before.count("\n") + 1
        assert found["column"] == len(before) - (before.rfind("\n") + 1) + 1
        assert found["offset"] + found["length"] <= len(arguments["source"])
    return value["language"]


def _tree(_arguments: dict[str, Any], value: Any) -> Any:
    """Compare the program's statements and their places: parsers differ in what else a node has."""
    tree = value["estree"] if isinstance(value["estree"], dict) else json.loads(value["estree"])
    statements = [[node["type"], node["start"], node["end"]] for node in tree["body"]]
    return {"language": value["language"], "statements": statements}


def _transformed(arguments: dict[str, Any], value: Any) -> Any:
    """Print the code again in the sandbox: one lane puts blanks where types were, the other prints its tree anew.

    The code is read as the language that it came from, so that imports which the twin keeps, as its `unchecked` says,
    are removed from both.
    """
    read_as = {name: arguments[name] for name in ("filename", "language", "source_type")}
    kind = (
        "auto" if arguments["source_type"] == "script" else arguments["source_type"]
    )  # a script in TypeScript may export types
    is_sound = find("ast.validate").wasm(value["code"], **read_as | {"language": "jsx", "source_type": kind})[
        "valid"
    ]
    printed = find("ast.transform").wasm(value["code"], **read_as)["code"]
    small = _without_empty(
        find("ast.optimize").wasm(printed, **read_as, compress=False, mangle=False)["code"], read_as
    )
    mark = "export{};"  # only marks the file as a module, and may stand anywhere
    return {"is_sound": is_sound, "is_marked": mark in small, "code": small.replace(mark, "")}


def _without_empty(code: str, read_as: dict[str, Any]) -> str:
    """Cut the empty statements out of lists of statements, where a lane may put them."""
    tree = find("ast.parse").wasm(code, **read_as, objects=True)["estree"]
    for start in sorted(_empty(tree), reverse=True):
        code = code[:start] + code[start + 1 :]
    return code


def _empty(node: Any) -> Iterator[int]:
    if isinstance(node, list):
        yield from (
            one["start"] for one in node if isinstance(one, dict) and one.get("type") == "EmptyStatement"
        )
    for inner in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from _empty(inner)


_BY_OPERATION: Final[dict[str, Callable[[dict[str, Any], Any], Any]]] = {
    "wasmfleet.ast.optimize": _optimized,
    "wasmfleet.ast.parse": _tree,
    "wasmfleet.ast.transform": _transformed,
    "wasmfleet.ast.validate": _verdict,
    "wasmfleet.compression.best": _best,
}
