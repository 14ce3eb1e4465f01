"""What each parity demands of the two lanes; the vectors and the property tests hold both lanes to it.

exact       Both lanes give the same value, or errors with the same code; meanings.py names errors of which either
            may be right. Floats are the same if they agree to 1e-12 relative; so are 0.0 and -0.0.
equivalent  The values may differ, but must mean the same (see meanings.py). If the family has an operation that
            undoes this one, a result means what that operation makes of it, in either lane. The plain-Python lane may
            raise NotSupportedInLane for a call that it cannot serve at all.
reduced     As equivalent, but the plain-Python lane may check less if it says so, by `unchecked`, a list of texts in
            its value or in its error's details. Then it may give a value where the sandbox gives an error, or the
            reverse. The sandbox leaves nothing out but what LEFT says.

Whatever the parity, a value must have the declared type and survive a result store, and an error must be typed. If a
lane meets a limit (of time, memory or nesting), it has not answered, and nothing is compared.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

import msgspec
from kombu.utils import json

from tests.conformance import counterparts, meanings
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import (
    InputTooDeep,
    InternalError,
    LimitExceeded,
    NotSupportedInLane,
    SandboxTrap,
    WasmfleetError,
)

_LIMITS: Final = (LimitExceeded, InputTooDeep)
_RELATIVE: Final = 1e-12
#: What the sandbox may leave undone: syntax newer than a target, and a difference from TypeScript.
LEFT: Final = ("left as in the source: ", "later values of the variables that a namespace exports")


@dataclass(frozen=True, slots=True)
class Answer:
    """A lane's answer to one call: a value or an error."""

    value: Any = None
    error: WasmfleetError | None = None

    @property
    def code(self) -> str:
        return self.error.code if self.error else ""

    @property
    def unchecked(self) -> list[str]:
        """What the lane says that it did not check."""
        said = self.error.details if self.error else self.value
        return list(said.get("unchecked", ())) if isinstance(said, dict) else []


def answer(operation: Operation, lane: str, arguments: dict[str, Any]) -> Answer:
    """Call one lane and return its answer. Raises what no input may cause: a trap or an error without a type."""
    try:
        return Answer(counterparts.call(operation, lane, arguments))
    except (InternalError, SandboxTrap):
        raise
    except WasmfleetError as error:
        return Answer(error=error)


def assert_agree(operation: Operation, arguments: dict[str, Any], sandboxed: Answer, plain: Answer) -> None:
    """Assert that the two lanes' answers to one call agree as the operation's parity demands."""
    if isinstance(sandboxed.error, _LIMITS) or isinstance(plain.error, _LIMITS):
        return
    if operation.parity != "exact" and isinstance(plain.error, NotSupportedInLane):
        return
    if operation.parity == "reduced":
        said_by_sandbox = [said for said in sandboxed.unchecked if not said.startswith(LEFT)]
        assert not said_by_sandbox, "the sandbox leaves nothing out that it may not"
        if plain.unchecked and sandboxed.code != plain.code:
            return
    if {sandboxed.code, plain.code} == meanings.EITHER.get(operation.target.name):
        return
    said = f"{operation.name} ({operation.parity}): the sandbox gives {sandboxed}, plain Python {plain}"
    assert sandboxed.code == plain.code, said
    if not sandboxed.error:
        one, other = (meaning(operation, arguments, given.value) for given in (sandboxed, plain))
        assert close(one, other), f"{said}; that means {one} and {other}"


def meaning(operation: Operation, arguments: dict[str, Any], value: Any) -> Any:
    """Return what both lanes must have in common: for an `exact` operation the value, otherwise its meaning."""
    target, complete = operation.resolve(operation.contract.check((), arguments))
    return value if target.parity == "exact" else meanings.of(target, complete, value)


def assert_well_formed(operation: Operation, value: Any) -> None:
    """Assert that a value has the declared type, and is unchanged by MessagePack and by kombu's JSON."""
    declared = get_type_hints(operation.target.twin)["return"]
    assert close(msgspec.convert(value, declared, builtin_types=(bytes,)), value), (declared, value)
    assert close(msgspec.msgpack.decode(msgspec.msgpack.encode(value)), value)
    assert close(json.loads(json.dumps(value)), value)


def close(one: Any, other: Any) -> bool:
    """Whether two values are the same; floats may differ by 1e-12 relative."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=1e-300) or (one != one and other != other)
    return bool(one == other)
