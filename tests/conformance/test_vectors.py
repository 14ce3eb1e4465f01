"""Every vector in both lanes, by the parity that the operation states."""

import base64
import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wasmfleet.config import settings as configured
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.errors import NotSupportedInLane, WasmfleetError
from wasmfleet.workers.secrecy import keyring

_VECTORS = Path(__file__).parents[1] / "vectors"
_UNDO = {"compression.compress": "compression.decompress", "memory.compress": "memory.decompress"}


def decoded(value: Any) -> Any:
    """JSON with bytes as {"base64": …}."""
    if isinstance(value, dict):
        return (
            base64.b64decode(value["base64"])
            if set(value) == {"base64"}
            else {k: decoded(v) for k, v in value.items()}
        )
    return [decoded(item) for item in value] if isinstance(value, list) else value


def cases() -> Iterator[Any]:
    for path in sorted(_VECTORS.glob("*/*.json")):
        name = f"{path.parent.name}.{path.stem}"
        for vector in decoded(json.loads(path.read_text())):
            for lane in ("wasm", "python"):
                yield pytest.param(name, vector, lane, id=f"{name}-{lane}-{vector['name']}")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keyring.json"
    file.write_bytes((_VECTORS / "keyring.json").read_bytes())
    file.chmod(0o600)
    monkeypatch.setattr(keyring, "settings", lambda: replace(configured.settings(), keyring=file))


def run(operation: OperationTask, lane: str, arguments: dict[str, Any]) -> Any:  # type: ignore[type-arg]
    return getattr(operation, lane)(**arguments)


@pytest.mark.parametrize(("name", "vector", "lane"), list(cases()))
def test_vector(name: str, vector: dict[str, Any], lane: str) -> None:
    operation = find(name)
    if vector.get("wasm_only") and lane == "python":
        assert_says_what_it_leaves_out(operation, vector)
    elif "error" in vector:
        assert_fails(operation, vector, lane)
    else:
        assert_right(name, run(operation, lane, vector["arguments"]), vector, lane)


def assert_says_what_it_leaves_out(operation: OperationTask, vector: dict[str, Any]) -> None:  # type: ignore[type-arg]
    left_out = ["NotSupportedInLane"]
    with contextlib.suppress(NotSupportedInLane):
        left_out = operation.python(**vector["arguments"])["unchecked"]
    assert left_out


def assert_fails(operation: OperationTask, vector: dict[str, Any], lane: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(WasmfleetError) as raised:
        run(operation, lane, vector["arguments"])

    assert raised.value.code == vector["error"]
    known = vector.get("place", {}) if lane == "wasm" else {}
    assert known.items() <= raised.value.details.items()


def assert_right(name: str, result: Any, vector: dict[str, Any], lane: str) -> None:
    expected = vector["value"]
    if name in _UNDO:
        other = "python" if lane == "wasm" else "wasm"
        undo = {key: vector["arguments"][key] for key in ("codec",) if key in vector["arguments"]}
        assert run(find(_UNDO[name]), other, {"data": result, **undo}) == expected
    elif name == "compression.best":
        assert_best(result, vector["arguments"]["data"])
    elif name == "crypto.encrypt":
        assert_opens(result, vector)
    elif isinstance(expected, dict) and (vector.get("partial") or "valid" in expected):
        assert_holds(result, expected, vector, lane)
    else:
        assert close(result, expected), (result, expected)


def assert_best(result: Any, data: bytes) -> None:
    assert len(result["data"]) == min(attempt["size"] for attempt in result["tried"])
    assert (
        run(find("compression.decompress"), "python", {"data": result["data"], "codec": result["codec"]})
        == data
    )


def assert_opens(sealed: bytes, vector: dict[str, Any]) -> None:
    arguments = vector["arguments"] | {"data": sealed}
    assert (
        find("crypto.decrypt").wasm(**arguments)
        == find("crypto.decrypt").python(**arguments)
        == vector["value"]
    )
    again = find("crypto.encrypt").wasm(**vector["arguments"])
    assert again[:12] != sealed[:12], "a nonce is used once"


def assert_holds(result: Any, expected: dict[str, Any], vector: dict[str, Any], lane: str) -> None:
    for key, value in expected.items():
        assert value is None or close(result[key], value), (key, result[key])
    if "place" in vector:
        known = ("line", "column", "offset") if lane == "wasm" else ("line",)
        assert {key: result["diagnostics"][0][key] for key in known} == {
            key: vector["place"][key] for key in known
        }


def close(one: Any, other: Any) -> bool:
    """Equal, numbers to 1e-12 relative."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-300)
    return bool(one == other)
