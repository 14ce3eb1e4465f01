"""One guest: an instance of a module that gets a request and leaves a reply in its memory.

This is the only file that touches raw memory. Wasmtime's own `Func.__call__` costs 25 µs; its unchecked entry, with
addresses prepared once, costs 1-2 µs. That one checks no types: `interface.py` did, for each module that is loaded.
Whatever a guest answers is hostile, so every address and length is checked against its memory before use.
"""

import ctypes
import struct
import weakref
from collections.abc import Callable
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cffi
import wasmtime

from wasmfleet.workers.errors import HostileReply, MemoryLimitExceeded, SandboxTrap
from wasmfleet.workers.runtime import host
from wasmfleet.workers.runtime import wasmtime_internals as internals
from wasmfleet.workers.runtime.engine import Engine, ticks
from wasmfleet.workers.runtime.modules import HostLacks, first_line
from wasmfleet.workers.runtime.switches import GUARD_BYTES
from wasmfleet.workers.runtime.traps import code_of, error_of


def _prepared(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of Wasmtime's C API that ctypes calls without converting arguments.

    It releases the GIL while it runs, which the engine's thread needs to advance the epoch.
    """
    return ctypes.CFUNCTYPE(result, *arguments)(
        ctypes.cast(getattr(internals.library, name), c_void_p).value or 0
    )


_enter: Final = _prepared(
    "wasmtime_func_call_unchecked", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)
_set_deadline: Final = _prepared("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
_memory_base: Final = _prepared("wasmtime_memory_data", c_void_p, c_void_p, c_void_p)
_memory_bytes: Final = _prepared("wasmtime_memory_data_size", c_size_t, c_void_p, c_void_p)
_find_export: Final = _prepared(
    "wasmtime_instance_export_get", ctypes.c_bool, c_void_p, c_void_p, ctypes.c_char_p, c_size_t, c_void_p
)
# The callback at a deadline is made by cffi. With ctypes (Python 3.11), where Python cannot enter the function at all
# (a signal's handler raises, or the recursion limit is met), Wasmtime takes an error that nobody wrote, and the process
# dies. cffi returns 0 there, which lets the guest run on, and Wasmtime asks again at once.
_cffi: Final = cffi.FFI()
_DECIDE: Final = _cffi.typeof("uintptr_t(*)(void *, void *, uint64_t *, uint8_t *)")
_CONTINUE: Final = 0

HEADER: Final = struct.Struct("<4I")
PROGRESS: Final = 0x474F5250
OUT_OF_MEMORY: Final = 0x4D454D4F


class Range(NamedTuple):
    """A stretch of a guest's memory that lies within it."""

    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a guest came before it died: the index of the item it was at, and where its finished replies are."""

    index: int
    replies: Range


class Guest:
    """A fresh instance with its own memory, of at most `memory_bytes`. Not thread-safe, and of no use after an error.

    Any method may raise the typed error of a trap, and HostLacks where the host cannot give the guest its memory, which
    is no error of the call. The loader must have checked the module's interface: through an export of another type a
    guest could reach the host's memory.
    """

    def __init__(
        self, engine: Engine, module: wasmtime.InstancePre, *, memory_bytes: int, time_s: float
    ) -> None:
        self._engine = engine
        self._memory_bytes = memory_bytes
        self._store = wasmtime.Store(engine.wasmtime)
        self._store.set_limits(
            memory_size=memory_bytes, table_elements=100_000, instances=1, tables=16, memories=1
        )
        self._context_at = ctypes.cast(internals.context_of(self._store), c_void_p).value
        self.limit_time(time_s)
        self._is_interrupted = False
        self._raised: BaseException | None = None
        self._c_instance = self._instantiate(module)
        self._exports = (internals.CExport * 3)()
        self._memory, self._reserve, self._call = map(
            self._export, range(3), (b"memory", b"reserve", b"call")
        )
        self._slots = (internals.CValue * 2)()
        self._arguments = (c_uint32 * 8).from_buffer(self._slots)  # a slot is 16 bytes: argument n is at 4n
        self._result = (c_uint64 * 4).from_buffer(self._slots)
        self._trap = c_void_p()
        self._fixed = (ctypes.addressof(self._slots), 2, ctypes.addressof(self._trap))
        self._room_at = self._room_bytes = 0

    def _instantiate(self, module: wasmtime.InstancePre) -> Any:
        self._engine.enter()
        try:
            return internals.structure_of(module.instantiate(self._store))
        except wasmtime.Trap as trap:
            raise error_of(code_of(trap)) from None
        except wasmtime.WasmtimeError as error:
            raise self._not_made(first_line(error)) from None
        finally:
            self._engine.leave()

    def _not_made(self, reason: str) -> Exception:
        """Return the error of an instance that could not be made: the module asks too much, or the host lacks it."""
        if "limit" in reason:  # only the errors of the store's limits have this word (50.0)
            return MemoryLimitExceeded(f"the module does not fit into its limits: {reason}")
        lack = host.lacks_address_space(self._engine.memory_bytes + 2 * GUARD_BYTES)
        return HostLacks(lack or f"the host cannot give a guest its memory: {reason}")

    def _export(self, slot: int, name: bytes) -> int:
        """Return the host address of an export, which stays valid as long as `self._exports` lives."""
        found = self._exports[slot]
        if not _find_export(
            self._context_at, ctypes.addressof(self._c_instance), name, len(name), ctypes.addressof(found)
        ):
            raise SandboxTrap(f"the module has no export {name.decode()}", {"trap": "host_error"})
        return ctypes.addressof(found.of)

    def limit_time(self, seconds: float) -> None:
        """Let Wasmtime interrupt the guest once this time from now has passed."""
        _set_deadline(self._context_at, ticks(seconds))

    def limit_time_per_item(self, seconds: float, overall_ticks: int, count: int) -> None:
        """Limit the time of each item of a batch, and that of all together to a number of epochs.

        At each deadline Wasmtime asks whether the guest may run on: yes, if it has come to another item since.
        """
        per_item = ticks(seconds)
        last, spent = -1, 0
        guest = weakref.proxy(
            self
        )  # the store keeps the callback; without a cycle its memory is freed at once

        def decide(_context: Any, _data: Any, delta: Any, kind: Any) -> int:
            nonlocal last, spent
            spent += per_item
            now = guest._index()
            if not last < now < count or spent >= overall_ticks:
                guest._is_interrupted = True
                return _interrupt()
            last, delta[0], kind[0] = now, per_item, _CONTINUE
            return 0

        def fail(_kind: Any, error: BaseException, _traceback: Any) -> int:
            guest._raised = error
            return _interrupt()

        self._decide = _cffi.callback(_DECIDE, decide, error=0, onerror=fail)
        address = internals.DeadlineCallback(int(_cffi.cast("uintptr_t", self._decide)))
        internals.set_deadline_callback(self._store.ptr(), address, None, internals.Finalizer(0))
        self.limit_time(seconds)

    def call(self, operation: int, request: bytes) -> Range:
        """Run one operation of the module over a request. Returns where its reply is, until the next call."""
        size = len(request)
        if size > self._room_bytes or not size:
            self._make_room(size)
        ctypes.memmove(self._locate(self._room_at, size), request, size)
        self._run(self._call, operation, size)
        packed = self._result[0]
        return self._checked(packed >> 32, packed & 0xFFFF_FFFF)

    def read(self, at: int, size: int) -> bytes:
        """Return a copy of a stretch of the guest's memory."""
        return ctypes.string_at(self._locate(at, size), size)

    def progress(self) -> Progress | None:
        """Return, after an error, how far the guest came; None where it does not say."""
        header = self._header()
        if header is None or header[0] not in (PROGRESS, OUT_OF_MEMORY):
            return None
        try:
            return Progress(header[1], self._checked(header[2], header[3]))
        except HostileReply:
            return None

    def _make_room(self, size: int) -> None:
        """Let the guest reserve room for a request in its memory."""
        self._run(self._reserve, size, 0)
        at = self._arguments[0]
        self._locate(at, size)
        self._room_at, self._room_bytes = at, size

    def _run(self, function: int, first: int, second: int) -> None:
        """Call an export of the guest with two arguments; its result is in the slots until the next call."""
        self._arguments[:] = [first, 0, 0, 0, second, 0, 0, 0]
        self._engine.enter()
        try:
            error = _enter(self._context_at, function, *self._fixed)
        finally:
            self._engine.leave()
        if error:
            raise self._interrupted(error)
        if self._trap:
            raise self._trapped()

    def _trapped(self) -> Exception:
        """Take the trap, free it, and return its typed error, or HostLacks where the host lacks memory."""
        trap = internals.trap_from(ctypes.cast(self._trap, ctypes.POINTER(internals.CTrap)))
        self._trap.value = None
        code = code_of(trap)
        error = error_of(code)
        if type(error) is SandboxTrap and self._ran_out_of_memory():
            left_bytes = self._memory_bytes - _memory_bytes(self._context_at, self._memory)
            if lack := host.lacks_memory(left_bytes):
                return HostLacks(lack)
            limit = self._memory_bytes >> 20
            return MemoryLimitExceeded(f"the call needed more than its limit of {limit} MiB", error.details)
        return error

    def _interrupted(self, error: int) -> BaseException:
        """Free an error, and return what the callback at a deadline raised, or the time-out for which it stands.

        Nothing else ends a guest with an error that is no trap.
        """
        internals.error_from(ctypes.cast(error, ctypes.POINTER(internals.CError)))  # frees it
        return self._raised or error_of(wasmtime.TrapCode.INTERRUPT)

    def _ran_out_of_memory(self) -> bool:
        """Whether a trap was for want of memory: the guest says so, or nine tenths of its limit are in use."""
        header = self._header()
        said = header is not None and header[0] == OUT_OF_MEMORY
        return said or _memory_bytes(self._context_at, self._memory) > self._memory_bytes * 0.9

    def _index(self) -> int:
        """Return the index of the item that the guest is at, or -1 where it does not say."""
        header = self._header()
        return header[1] if header is not None and header[0] == PROGRESS else -1

    def _header(self) -> tuple[int, ...] | None:
        """Return what the guest notes before its request buffer: a mark, an index, and where its replies are."""
        if self._room_at < HEADER.size:
            return None
        return HEADER.unpack(self.read(self._room_at - HEADER.size, HEADER.size))

    def _checked(self, at: int, size: int) -> Range:
        self._locate(at, size)
        return Range(at, size)

    def _locate(self, at: int, size: int) -> int:
        """Return the host address of a range of the guest's memory. Raises HostileReply for one that is not within it.

        Wasmtime is asked each time: as it grows, a memory may move.
        """
        if at + size > _memory_bytes(self._context_at, self._memory):
            raise HostileReply(f"the guest names the range {at}+{size}, outside its memory")
        return int(_memory_base(self._context_at, self._memory)) + at


def _interrupt() -> int:
    """Make an error with which Wasmtime ends the guest; Wasmtime frees it."""
    error = internals.new_error(ctypes.create_string_buffer(b"interrupted"))
    return ctypes.cast(error, c_void_p).value or 0
