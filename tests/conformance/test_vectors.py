"""Each vector holds in both lanes, as the operation's parity demands (see parity.py)."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import parity, vectors
from tests.conformance.counterparts import call
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import NotSupportedInLane, WasmfleetError


def cases() -> Iterator[Any]:
    for name, known in vectors.by_operation().items():
        for vector in known:
            for lane in ("wasm", "python"):
                yield pytest.param(name, vector, lane, id=f"{name}-{lane}-{vector['name']}")


@pytest.mark.parametrize(("name", "vector", "lane"), list(cases()))
def test_vector(name: str, vector: dict[str, Any], lane: str) -> None:
    operation = find(name).operation
    if vector.get("wasm_only") and lane == "python":
        assert_says_what_it_leaves_out(operation, vector)
    elif "error" in vector:
        assert_fails(operation, vector, lane)
    else:
        assert_right(operation, vector, lane)


def assert_says_what_it_leaves_out(operation: Operation, vector: dict[str, Any]) -> None:
    left_out = ["NotSupportedInLane"]
    with contextlib.suppress(NotSupportedInLane):
        left_out = call(operation, "python", vector["arguments"])["unchecked"]
    assert left_out


def assert_fails(operation: Operation, vector: dict[str, Any], lane: str) -> None:
    with pytest.raises(WasmfleetError) as raised:
        call(operation, lane, vector["arguments"])

    assert raised.value.code == vector["error"]
    known = vector.get("place", {}) if lane == "wasm" else {}
    assert known.items() <= raised.value.details.items()


def assert_right(operation: Operation, vector: dict[str, Any], lane: str) -> None:
    arguments, expected = vector["arguments"], vector["value"]
    result = call(operation, lane, arguments)
    parity.assert_well_formed(operation, result)
    meaning = parity.meaning(operation, arguments, result)
    if isinstance(expected, dict) and (vector.get("partial") or "valid" in expected):
        assert_holds(result, expected, vector, lane)
    elif operation.function == "best":
        assert parity.close(meaning[0], expected)
    else:
        assert parity.close(meaning, expected), (meaning, expected)


def assert_holds(result: dict[str, Any], expected: dict[str, Any], vector: dict[str, Any], lane: str) -> None:
    for key, value in expected.items():
        assert value is None or parity.close(result[key], value), (key, result[key])
    if "place" in vector:
        known = ("line", "column", "offset") if lane == "wasm" else ("line",)
        assert {key: result["diagnostics"][0][key] for key in known} == {
            key: vector["place"][key] for key in known
        }


@pytest.mark.parametrize("lane", ["wasm", "python"])
def test_a_nonce_is_used_once(lane: str) -> None:
    encrypt = find("crypto.encrypt")
    for vector in vectors.by_operation()["crypto.encrypt"]:
        if "error" not in vector:
            once, again = (getattr(encrypt, lane)(**vector["arguments"]) for _ in range(2))
            assert once[:12] != again[:12]
