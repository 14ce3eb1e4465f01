"""What of a value both lanes must have in common, where the lanes may give different values.

A new operation needs no line here: a result that its family can undo means what it was made of, and any other result
means itself. An operation is named here where neither is what its docstring promises.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.conformance import counterparts
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.contracts.operation import Operation

#: Errors that can be right for one call at the same time, as the docstrings of these operations say; a lane reports
#: the one that it meets first.
EITHER: Final = {
    "wasmfleet.compression.decompress": {"CorruptData", "OutputTooLarge"},
}


def of(operation: Operation, arguments: dict[str, Any], value: Any) -> Any:
    """The meaning of a value that an `equivalent` or `reduced` operation gave for these arguments."""
    if operation.name in _BY_OPERATION:
        return _BY_OPERATION[operation.name](arguments, value)
    undoing = counterparts.undoing(operation)
    if undoing is not None:
        return undone(undoing, counterparts.arguments_of(undoing, value, arguments))
    if operation.parity == "reduced" and isinstance(value, dict):
        return {name: inner for name, inner in value.items() if name != "unchecked"}
    return value


def undone(undoing: Operation, arguments: dict[str, Any]) -> Any:
    """What a result was made of, by both lanes."""
    sandboxed, plain = (counterparts.call(undoing, lane, arguments) for lane in ("wasm", "python"))
    assert sandboxed == plain
    return sandboxed


def _best(_arguments: dict[str, Any], value: Any) -> Any:
    """The lanes' encoders differ in size, and so in which of the attempts is the smallest."""
    assert len(value["data"]) == min(attempt["size"] for attempt in value["tried"])
    assert {"codec": value["codec"], "level": value["level"], "size": len(value["data"])} in value["tried"]
    data = undone(find("compression.decompress").operation, {"data": value["data"], "codec": value["codec"]})
    return data, [(attempt["codec"], attempt["level"]) for attempt in value["tried"]]


def _optimized(arguments: dict[str, Any], value: Any) -> Any:
    """However little a lane did, what the sandbox then makes of it is the same."""
    assert value["input_bytes"] == len(arguments["source"].encode())
    assert value["output_bytes"] == len(value["code"].encode())
    return find("ast.optimize").wasm(**arguments | {"source": value["code"]})["code"]


def _verdict(arguments: dict[str, Any], value: Any) -> Any:
    """Which findings there are depends on the checks; that they lie in the source does not."""
    assert value["valid"] == (not value["diagnostics"])
    for found in value["diagnostics"]:
        before = arguments["source"][: found["offset"]]
        assert found["line"] == before.count("\n") + 1
        assert found["column"] == len(before) - (before.rfind("\n") + 1) + 1
        assert found["offset"] + found["length"] <= len(arguments["source"])
    return value["language"]


def _tree(_arguments: dict[str, Any], value: Any) -> Any:
    """The statements of the program and their places; the parsers' dialects differ in what else a node has."""
    tree = value["estree"] if isinstance(value["estree"], dict) else json.loads(value["estree"])
    statements = [[node["type"], node["start"], node["end"]] for node in tree["body"]]
    return {"language": value["language"], "statements": statements}


def _transformed(arguments: dict[str, Any], value: Any) -> Any:
    """Blanks where types were, and a tree printed anew, are the same program once the sandbox has printed both.

    Read as the language that it came from, so that imports used as types only go; the twin says that it keeps them.
    """
    read_as = {name: arguments[name] for name in ("filename", "language", "source_type")}
    kind = (
        "auto" if arguments["source_type"] == "script" else arguments["source_type"]
    )  # types may be exported there
    is_sound = find("ast.validate").wasm(value["code"], **read_as | {"language": "jsx", "source_type": kind})[
        "valid"
    ]
    printed = find("ast.transform").wasm(value["code"], **read_as)["code"]
    small = find("ast.optimize").wasm(printed, **read_as, compress=False, mangle=False)["code"]
    mark = "export{};"  # says that this is a module, wherever it stands
    return {"is_sound": is_sound, "is_marked": mark in small, "code": small.replace(mark, "")}


_BY_OPERATION: Final[dict[str, Callable[[dict[str, Any], Any], Any]]] = {
    "wasmfleet.ast.optimize": _optimized,
    "wasmfleet.ast.parse": _tree,
    "wasmfleet.ast.transform": _transformed,
    "wasmfleet.ast.validate": _verdict,
    "wasmfleet.compression.best": _best,
}
