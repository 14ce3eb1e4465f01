"""A process for plain-Python twins, which can be killed: native code in them obeys no signal, and may want all memory.

A worker's child forks it at its first twin, talks to it over a socket pair, and forks another after it had to end it.
Frames are a length (u64, little endian) and MessagePack. If it dies of something else than memory, the child dies the
same way, so that its worker counts the death.
"""

import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from billiard.util import set_pdeathsig  # type: ignore[attr-defined]

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import MemoryLimitExceeded, OutputTooLarge, WasmfleetError, from_code, typed
from wasmfleet.workers.execution import registered, twin
from wasmfleet.workers.execution.call import Item
from wasmfleet.workers.node import memory
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted import outline, weight

_LENGTH: Final = struct.Struct("<Q")
_GRACE_S: Final = 0.25  # for a twin that is ended by its own timer to say so
#: A process that used this part of its memory limit when it ended by itself has ended for want of more.
_OUT_OF_MEMORY: Final = 0.25


def run(target: Operation, item: Item, limits: twin.Limits) -> tuple[Any, int]:
    """A twin's value and its size in MessagePack. Raises a WasmfleetError, whatever happens inside."""
    left_s = limits.end_s - time.monotonic()
    if left_s <= 0:
        raise twin.out_of_time()
    question = msgspec.msgpack.encode((target.name, limits.time_s, limits.end_s, item.request))
    try:
        reply = _running().ask(question, min(limits.time_s, left_s) + _GRACE_S)
    except TimeoutError:
        _end()
        raise twin.too_long(limits) if left_s >= limits.time_s else twin.out_of_time() from None
    except (EOFError, ConnectionError):
        raise _dead(*_end()) from None
    return _value(reply)


def run_here(target: Operation, item: Item, limits: twin.Limits) -> tuple[Any, int]:
    """The same in this process, for pools whose workers are threads: there native code ends when it likes."""
    assert target.twin is not None
    value = twin.run(target.twin, item.arguments, limits)
    return value, len(msgspec.msgpack.encode(value))


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    socket: socket.socket

    def ask(self, question: bytes, seconds: float) -> bytes:
        """The reply. Raises TimeoutError, EOFError, ConnectionError."""
        deadline = time.monotonic() + seconds
        self.socket.settimeout(seconds)
        self.socket.sendall(_LENGTH.pack(len(question)) + question)
        return _received(self.socket, lambda: max(0.001, deadline - time.monotonic()))


@cache
def _running() -> _Process:
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _serve(its)
    its.close()
    return _Process(pid, ours)


os.register_at_fork(after_in_child=_running.cache_clear)


def _end() -> tuple[int, int]:
    """Kills the process; the next twin gets another. Gives how it ended, and the most memory it used, in bytes."""
    running = _running()
    _running.cache_clear()
    running.socket.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    _, status, usage = os.wait4(running.pid, 0)
    return status, usage.ru_maxrss << 10


def _dead(status: int, used_bytes: int) -> WasmfleetError:
    """What to tell of a process that ended by itself. Where memory was not the reason, this process ends as well."""
    if used_bytes >= _OUT_OF_MEMORY * settings().memory_limit * MIB:
        return MemoryLimitExceeded("the call needed more memory than its process may use")
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _value(reply: bytes) -> tuple[Any, int]:
    try:
        if not weight.is_light(reply, settings().max_values, outline.MOST_LEVELS):
            weight.check_msgpack(reply, settings().max_values, outline.MOST_LEVELS)
    except weight.TooHeavy as error:
        raise OutputTooLarge(f"the result cannot be taken: {error}") from None
    answer = msgspec.msgpack.decode(reply)
    if not answer[0]:
        return answer[1], len(reply) - 2
    failure = from_code(*answer[1:])
    if isinstance(failure, MemoryLimitExceeded):
        _end()  # what it left of its memory is in pieces
    raise failure


def _serve(connection: socket.socket) -> NoReturn:
    """The process: one twin after the other, until its child ends."""
    set_pdeathsig(signal.SIGKILL)
    for name in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # its child decides
    _let_go_of_all_but(connection.fileno())
    memory.allow(settings().memory_limit)
    try:
        while True:
            reply = _answer(_received(connection))
            connection.sendall(_LENGTH.pack(len(reply)) + reply)
    finally:
        os._exit(0)


def _let_go_of_all_but(descriptor: int) -> None:
    """Nobody is to wait for the end of a connection that this process still has; the numbers stay taken, for what
    holds one may close it later."""
    nothing = os.open(os.devnull, os.O_RDWR)
    with contextlib.suppress(OSError):  # without /proc it keeps them
        for other in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            if other > 2 and other not in (descriptor, nothing):
                os.dup2(nothing, other)


def _answer(question: bytes) -> bytes:
    try:
        return _encoded([0, _evaluated(*msgspec.msgpack.decode(question))])
    except Exception as error:  # noqa: BLE001 - whatever a twin does, it is its call's error
        told = typed(error)
        return msgspec.msgpack.encode([1, told.code, storable(told.message), told.details])


def _evaluated(name: str, time_s: float, end_s: float, request: bytes) -> Any:
    target = registered.operation(name)
    arguments = dict(zip(target.contract.order, msgspec.msgpack.decode(request), strict=True))
    assert target.twin is not None
    return twin.run(target.twin, arguments, twin.Limits(time_s, end_s))


def _encoded(answer: Any) -> bytes:
    encoded, most = msgspec.msgpack.encode(answer), settings().max_output * MIB
    if len(encoded) > most:
        raise OutputTooLarge(
            f"the result is {len(encoded):,} bytes; WASMFLEET_MAX_OUTPUT allows {most >> 20} MiB"
        )
    return encoded


def _received(connection: socket.socket, left_s: Callable[[], float] | None = None) -> bytes:
    """One frame. Raises EOFError where the other side has ended."""
    [size] = _LENGTH.unpack(_exactly(connection, _LENGTH.size, left_s))
    return bytes(_exactly(connection, size, left_s))


def _exactly(connection: socket.socket, size: int, left_s: Callable[[], float] | None) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        if left_s:
            connection.settimeout(left_s())
        count = connection.recv_into(view[filled:])
        if not count:
            raise EOFError
        filled += count
    return data
