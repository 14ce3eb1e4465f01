"""A batch of calls through fresh guests: one dies, the others are done all the same."""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from wasmfleet.workers.errors import DeadlineExceeded, HostileReply, WasmfleetError, from_code
from wasmfleet.workers.runtime.engine import ticks
from wasmfleet.workers.runtime.instance import Guest
from wasmfleet.workers.runtime.modules import Loaded
from wasmfleet.workers.runtime.section import Declared

_LENGTH: Final = struct.Struct("<I")


def _refuse_extension(code: int, _data: memoryview) -> Any:
    raise ValueError(f"extension type {code}")


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_refuse_extension)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item, and a whole batch, may use. `time_s` is an item's, `batch_s` that of all together."""

    time_s: float
    batch_s: float
    memory_bytes: int
    reply_bytes: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One item's answer: a value, or an error."""

    value: Any = None
    error: WasmfleetError | None = None
    size_bytes: int = 0


def run(module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits) -> list[Reply]:
    """One reply a request, in order. After a trap the rest runs in a fresh guest."""
    attempt, most = (_run_bytes, 1) if operation.codec == "bytes" else (_attempt, len(requests))
    replies: list[Reply] = []
    end = time.monotonic() + limits.batch_s
    while len(replies) < len(requests):
        left_s = max(0.0, end - time.monotonic())
        if replies and not left_s:
            return replies + [Reply(error=_out_of_time()) for _ in requests[len(replies) :]]
        left = replace(limits, time_s=min(limits.time_s, left_s), batch_s=left_s)
        replies += attempt(module, operation, requests[len(replies) : len(replies) + most], left)
    return replies


def _run_bytes(module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits) -> list[Reply]:
    """The reply to one request: bytes have no frames, so each has a guest of its own."""
    try:
        reply = _guest(module, limits).call(operation.index, requests[0])
    except WasmfleetError as error:
        return [Reply(error=error)]
    return [Reply(reply, size_bytes=len(reply))]


def _guest(module: Loaded, limits: Limits) -> Guest:
    return Guest(
        module.engine,
        module.pre,
        memory_bytes=limits.memory_bytes,
        reply_bytes=limits.reply_bytes,
        time_s=limits.time_s,
    )


def _attempt(module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits) -> list[Reply]:
    """Replies to at least the first request, and to as many as one guest answers before it dies."""
    try:
        guest = _guest(module, limits)
    except WasmfleetError as error:
        return [Reply(error=error)]
    if len(requests) > 1:
        guest.limit_time_per_item(limits.time_s, ticks(limits.batch_s))
    try:
        return _decoded(guest.call(operation.index, _framed(requests)), len(requests))
    except WasmfleetError as error:
        return _up_to_the_death(guest, error, len(requests)) or _alone(
            module, operation, requests, limits, error
        )


def _up_to_the_death(guest: Guest, error: WasmfleetError, count: int) -> list[Reply]:
    """What the guest had finished, and the error for the item it was at; empty where it does not say."""
    progress = guest.progress()
    if progress is None or progress.index >= count:
        return []
    try:
        finished = _decoded(progress.replies, progress.index)
    except WasmfleetError:
        return []
    return [*finished, Reply(error=error)]


def _alone(
    module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits, error: WasmfleetError
) -> list[Reply]:
    """The first request in a guest of its own, where a batch died without saying at which item."""
    if len(requests) == 1:
        return [Reply(error=error)]
    return _attempt(module, operation, requests[:1], limits)


def _framed(requests: Sequence[bytes]) -> bytes:
    return b"".join(part for request in requests for part in (_LENGTH.pack(len(request)), request))


def _decoded(reply: bytes, count: int) -> list[Reply]:
    replies: list[Reply] = []
    at = 0
    view = memoryview(reply)
    for _ in range(count):
        if at + _LENGTH.size > len(reply):
            raise HostileReply(f"the guest answered {len(replies)} of {count} items")
        (size,) = _LENGTH.unpack_from(reply, at)
        at += _LENGTH.size + size
        if at > len(reply):
            raise HostileReply("a frame of the guest's reply ends outside the reply")
        replies.append(_reply(view[at - size : at]))
    if at != len(reply):
        raise HostileReply(f"the guest's reply has {len(reply) - at} bytes too many")
    return replies


def _reply(frame: memoryview) -> Reply:
    try:
        answer = _decoder.decode(frame)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise HostileReply(f"the guest's reply is not MessagePack: {error}") from None
    match answer:
        case [0, value]:
            return Reply(value, size_bytes=len(frame))
        case [1, str(code), str(message), (dict() | None) as place]:
            return Reply(error=from_code(code, message, place), size_bytes=len(frame))
    raise HostileReply("the guest's reply is neither a value nor an error")


def _out_of_time() -> WasmfleetError:
    """For the items of a batch that never started."""
    return DeadlineExceeded("the batch used up its time before this item; publish smaller batches")
