"""One guest: bytes in, bytes out. The only file that touches raw memory.

`Func.__call__` costs 25 µs; the unchecked entry with addresses prepared once costs 1-2 µs. Whatever
the guest answers is hostile: every address and length is checked against its memory before use.
"""

import ctypes
import struct
import weakref
from collections.abc import Callable
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Final

import wasmtime
from wasmtime import _bindings, _ffi

from wasmfleet.workers.errors import (
    DeadlineExceeded,
    HostileReply,
    InputTooDeep,
    MemoryLimitExceeded,
    SandboxTrap,
    WasmfleetError,
)
from wasmfleet.workers.runtime.engine import Engine, ticks


def _prepared(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of Wasmtime's C API without ctypes' conversions. It releases the GIL, as the epoch ticker needs."""
    return ctypes.CFUNCTYPE(result, *arguments)(ctypes.cast(getattr(_ffi.dll, name), c_void_p).value or 0)


_enter: Final = _prepared(
    "wasmtime_func_call_unchecked", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)
_set_deadline: Final = _prepared("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
_memory_base: Final = _prepared("wasmtime_memory_data", c_void_p, c_void_p, c_void_p)
_memory_bytes: Final = _prepared("wasmtime_memory_data_size", c_size_t, c_void_p, c_void_p)
_on_deadline: Final = _bindings._wasmtime_store_epoch_deadline_callback.argtypes
_NO_FINALIZER: Final = _on_deadline[3](0)
_CONTINUE: Final = 0

HEADER: Final = struct.Struct("<4I")
PROGRESS: Final = 0x474F5250
OUT_OF_MEMORY: Final = 0x4D454D4F
_TRAPS: Final[dict[wasmtime.TrapCode, tuple[type[WasmfleetError], str]]] = {
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


class Progress:
    """How far a guest came before it died: the item it was at, and the replies it had finished."""

    def __init__(self, index: int, replies: bytes) -> None:
        self.index = index
        self.replies = replies


class Guest:
    """A fresh instance with its own memory. Not thread-safe; thrown away after an error.

    Raises the typed error of a trap from any method; `memory_bytes` and `reply_bytes` are limits.
    """

    def __init__(
        self,
        engine: Engine,
        module: wasmtime.InstancePre,
        *,
        memory_bytes: int,
        reply_bytes: int,
        time_s: float,
    ) -> None:
        self._engine = engine
        self._reply_bytes = reply_bytes
        self._memory_bytes = memory_bytes
        self._store = wasmtime.Store(engine.wasmtime)
        self._store.set_limits(
            memory_size=memory_bytes, table_elements=100_000, instances=1, tables=16, memories=1
        )
        self._context = ctypes.cast(self._store._context(), c_void_p).value
        self.limit_time(time_s)
        self._exports = self._instantiate(module)
        self._memory = ctypes.addressof(self._exports["memory"]._memory)
        self._slots = (_bindings.wasmtime_val_raw_t * 2)()
        self._arguments = (c_uint32 * 8).from_buffer(self._slots)  # a slot is 16 bytes: argument n is at 4n
        self._result = (c_uint64 * 4).from_buffer(self._slots)
        self._trap = c_void_p()
        self._fixed = (ctypes.addressof(self._slots), 2, ctypes.addressof(self._trap))
        self._reserve, self._call = (
            ctypes.addressof(self._exports[name]._func) for name in ("reserve", "call")
        )
        self._room_at = self._room_bytes = 0

    def _instantiate(self, module: wasmtime.InstancePre) -> Any:
        self._engine.enter()
        try:
            return module.instantiate(self._store).exports(self._store)
        except wasmtime.Trap as trap:
            raise self._error(trap.trap_code, trap.message) from None
        except wasmtime.WasmtimeError as error:
            raise MemoryLimitExceeded(f"the module does not fit into its limits: {error}") from None
        finally:
            self._engine.leave()

    def limit_time(self, seconds: float) -> None:
        """The guest is interrupted once this time from now has passed."""
        _set_deadline(self._context, ticks(seconds))

    def limit_time_per_item(self, seconds: float, overall_ticks: int) -> None:
        """A guest that moves on to further items may run on, up to an overall number of epochs."""
        per_item = ticks(seconds)
        last, spent = -1, 0
        guest = weakref.proxy(self)  # the store keeps the callback: no cycle, so that the memory goes at once

        def decide(_context: Any, _data: Any, delta: Any, kind: Any) -> int:
            nonlocal last, spent
            spent += per_item
            now = guest._index()
            if now == last or spent >= overall_ticks:
                return _interrupt()
            last, delta[0], kind[0] = now, per_item, _CONTINUE
            return 0

        self._decide = _on_deadline[1](decide)
        _bindings.wasmtime_store_epoch_deadline_callback(self._store.ptr(), self._decide, None, _NO_FINALIZER)
        self.limit_time(seconds)

    def call(self, operation: int, request: bytes) -> bytes:
        """Runs one operation of the module over a request and gives its reply."""
        size = len(request)
        if size > self._room_bytes or not size:
            self._make_room(size)
        ctypes.memmove(self._locate(self._room_at, size), request, size)
        self._arguments[0], self._arguments[4] = operation, size
        self._run(self._call)
        packed = self._result[0]
        return self._read(packed >> 32, packed & 0xFFFF_FFFF)

    def progress(self) -> Progress | None:
        """After an error: how far the guest came, or None where it does not say."""
        header = self._header()
        if header is None or header[0] not in (PROGRESS, OUT_OF_MEMORY):
            return None
        try:
            return Progress(header[1], self._read(header[2], header[3]))
        except HostileReply:
            return None

    def _make_room(self, size: int) -> None:
        self._arguments[0] = size
        self._run(self._reserve)
        at = self._arguments[0]
        self._locate(at, size)
        self._room_at, self._room_bytes = at, size

    def _run(self, function: int) -> None:
        self._engine.enter()
        try:
            error = _enter(self._context, function, *self._fixed)
        finally:
            self._engine.leave()
        if error:
            raise self._interrupted(error)
        if self._trap:
            raise self._trapped()

    def _trapped(self) -> WasmfleetError:
        trap = wasmtime.Trap._from_ptr(ctypes.cast(self._trap, ctypes.POINTER(_ffi.wasm_trap_t)))
        self._trap.value = None
        return self._error(trap.trap_code, trap.message)

    def _interrupted(self, error: int) -> WasmfleetError:
        message = str(
            wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(_ffi.wasmtime_error_t)))
        )
        if _INTERRUPTED in message:
            return self._error(wasmtime.TrapCode.INTERRUPT, message)
        return SandboxTrap(
            f"the sandbox refused to run the call: {message.splitlines()[0]}", {"trap": "host_error"}
        )

    def _error(self, code: wasmtime.TrapCode | None, message: str) -> WasmfleetError:
        trap = {"trap": code.name.lower() if code else "unknown"}
        if code in _TRAPS:
            kind, reason = _TRAPS[code]
            return kind(reason, trap)
        if self._ran_out_of_memory():
            limit = self._memory_bytes >> 20
            return MemoryLimitExceeded(f"the call needed more than its limit of {limit} MiB", trap)
        reason = message.splitlines()[-1].strip().removeprefix("wasm trap: ")
        return SandboxTrap(f"the guest trapped: {reason}", trap)

    def _ran_out_of_memory(self) -> bool:
        """The guest says so, or its memory is so near the limit that a refused growth is the likely cause."""
        if not hasattr(self, "_memory"):
            return False
        header = self._header()
        said = header is not None and header[0] == OUT_OF_MEMORY
        return said or _memory_bytes(self._context, self._memory) > self._memory_bytes * 0.9

    def _index(self) -> int:
        header = self._header()
        return header[1] if header is not None and header[0] == PROGRESS else -1

    def _header(self) -> tuple[int, ...] | None:
        if self._room_at < HEADER.size:
            return None
        return HEADER.unpack(self._read(self._room_at - HEADER.size, HEADER.size))

    def _read(self, at: int, size: int) -> bytes:
        if size > self._reply_bytes:
            raise HostileReply(f"the guest's reply of {size} bytes is over the limit of {self._reply_bytes}")
        return ctypes.string_at(self._locate(at, size), size)

    def _locate(self, at: int, size: int) -> int:
        """The host address of a guest range. Asked anew each time: the guest may have moved its memory."""
        if at + size > _memory_bytes(self._context, self._memory):
            raise HostileReply(f"the guest names the range {at}+{size}, outside its memory")
        return int(_memory_base(self._context, self._memory)) + at


_INTERRUPTED: Final = "wasmfleet: item deadline"


def _interrupt() -> int:
    error = _bindings.wasmtime_error_new(ctypes.create_string_buffer(_INTERRUPTED.encode()))
    return ctypes.cast(error, c_void_p).value or 0
