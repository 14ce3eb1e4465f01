"""The typed error of each trap of Wasmtime. The words are ours, for Wasmtime's text has names that the guest chose."""

from typing import Final

import wasmtime

from wasmfleet.workers.errors import (
    DeadlineExceeded,
    InputTooDeep,
    MemoryLimitExceeded,
    SandboxTrap,
    WasmfleetError,
)

_LIMITS: Final[dict[wasmtime.TrapCode, tuple[type[WasmfleetError], str]]] = {
    wasmtime.TrapCode.STACK_OVERFLOW: (
        InputTooDeep,
        "the input nests deeper than the sandbox's stack allows",
    ),
    wasmtime.TrapCode.INTERRUPT: (DeadlineExceeded, "the call ran longer than its time limit"),
    wasmtime.TrapCode.ALLOCATION_TOO_LARGE: (
        MemoryLimitExceeded,
        "the call needed more memory than its limit",
    ),
}


def code_of(trap: wasmtime.Trap) -> wasmtime.TrapCode | None:
    """Return why a guest trapped, or None for a reason that Wasmtime's Python does not know yet."""
    try:
        return trap.trap_code
    except ValueError:
        return None


def error_of(code: wasmtime.TrapCode | None) -> WasmfleetError:
    """Return the typed error of a trap, with the reason's name as `trap` in its details."""
    name = code.name.lower() if code else "unknown"
    if code in _LIMITS:
        kind, reason = _LIMITS[code]
        return kind(reason, {"trap": name})
    return SandboxTrap(f"the guest trapped: {name.replace('_', ' ')}", {"trap": name})
