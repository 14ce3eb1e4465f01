"""A separate process for plain-Python twins, so that one can be killed while native code in it ignores every signal.

A worker's child forks this process at its first twin and talks to it over a socket pair. After it had to kill the
process, the child forks another one. A frame is a length (u64, little endian) and MessagePack. If the process dies of
anything but a lack of memory, the child dies the same way, so that its worker counts the death.
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

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import MemoryLimitExceeded, OutputTooLarge, WasmfleetError, from_code, typed
from wasmfleet.workers.execution import registered, twin
from wasmfleet.workers.execution.call import Item
from wasmfleet.workers.internals import billiard
from wasmfleet.workers.node import memory
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted import message_body, weight

_LENGTH: Final = struct.Struct("<Q")
_GRACE_S: Final = 0.25  # time for a twin that its own timer has ended to report that
#: A process that died by itself is taken to have died of a lack of memory if it had used this part of its limit.
_OUT_OF_MEMORY: Final = 0.25


def run(target: Operation, item: Item, limits: twin.Limits) -> tuple[Any, int]:
    """Run a twin in its process and return its value and the value's size in MessagePack. Raises WasmfleetErrors."""
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
        raise _error_of_death(*_end()) from None
    return _value(reply)


def run_here(target: Operation, item: Item, limits: twin.Limits) -> tuple[Any, int]:
    """Run a twin in this process and return its value and the value's size in MessagePack. Raises WasmfleetErrors.

    Pools of threads use this. Native code in the twin can then outlive the time limit.
    """
    assert target.twin is not None
    value = twin.run(target.twin, item.arguments, limits)
    return value, len(msgspec.msgpack.encode(value))


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    socket: socket.socket

    def ask(self, question: bytes, seconds: float) -> bytes:
        """Send a question and return the reply. Raises TimeoutError, EOFError, ConnectionError."""
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
    """Kill the process, so that the next twin gets a new one. Returns its wait status and its peak memory in bytes."""
    running = _running()
    _running.cache_clear()
    running.socket.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    _, status, usage = os.wait4(running.pid, 0)
    return status, usage.ru_maxrss << 10


def _error_of_death(status: int, used_bytes: int) -> WasmfleetError:
    """Return the error for a process that died for lack of memory. For another death, end this process the same way."""
    if used_bytes >= _OUT_OF_MEMORY * settings().memory_limit * MIB:
        return MemoryLimitExceeded("the call needed more memory than its process may use")
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _value(reply: bytes) -> tuple[Any, int]:
    try:
        if not weight.is_light(reply, settings().max_values, message_body.MOST_LEVELS):
            weight.check_msgpack(reply, settings().max_values, message_body.MOST_LEVELS)
    except weight.TooHeavy as error:
        raise OutputTooLarge(f"the result is refused: {error}") from None
    answer = msgspec.msgpack.decode(reply)
    if not answer[0]:
        return answer[1], len(reply) - 2
    failure = from_code(*answer[1:])
    if isinstance(failure, MemoryLimitExceeded):
        _end()  # its memory is fragmented, so the next twin might fail too
    raise failure


def _serve(connection: socket.socket) -> NoReturn:
    """Run in the forked process: answer one question after the other until the child that forked it ends."""
    billiard.end_with_parent()
    for name in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # the child that forked it decides when it ends
    _release_descriptors(connection.fileno())
    memory.allow(settings().memory_limit)
    try:
        while True:
            reply = _answer(_received(connection))
            connection.sendall(_LENGTH.pack(len(reply)) + reply)
    finally:
        os._exit(0)


def _release_descriptors(keep: int) -> None:
    """Let go of all inherited files and connections but one, so that nobody waits for this process to close them.

    Each descriptor is replaced by /dev/null and not closed: an inherited object may close its number later, which
    must not belong to something else by then.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    with contextlib.suppress(OSError):  # without /proc the process keeps them
        for other in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            if other > 2 and other not in (keep, nothing):
                os.dup2(nothing, other)


def _answer(question: bytes) -> bytes:
    try:
        return _encoded([0, _evaluated(*msgspec.msgpack.decode(question))])
    except Exception as error:  # noqa: BLE001 - whatever a twin raises is the error of its call
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
    """Receive one frame. Raises EOFError where the other side has ended."""
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
