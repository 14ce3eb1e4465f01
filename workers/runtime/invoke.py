"""Calls of one message, run in a fresh guest. Where that dies of one call, another guest runs those that are left."""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from wasmfleet.workers.errors import DeadlineExceeded, InternalError, WasmfleetError
from wasmfleet.workers.runtime.engine import ticks
from wasmfleet.workers.runtime.instance import Guest
from wasmfleet.workers.runtime.modules import HostLacks, Loaded
from wasmfleet.workers.runtime.replies import Budget, decoded
from wasmfleet.workers.runtime.replies import Reply as Reply
from wasmfleet.workers.runtime.section import Declared
from wasmfleet.workers.safe_text import storable

_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the calls of a message may use: `time_s` is for each, everything else for all together."""

    time_s: float
    batch_s: float
    memory_bytes: int
    reply_bytes: int
    reply_values: int


def run(module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits) -> list[Reply]:
    """Run an operation over requests and return one reply for each, in order.

    A reply holds a value or a typed error; nothing a guest does is raised. After a trap the rest runs in a fresh guest.
    Raises HostLacks where the host cannot give a guest what it needs.
    """
    at_once = 1 if operation.codec == "bytes" else len(requests)
    budget = Budget(limits.reply_bytes, limits.reply_values)
    replies: list[Reply] = []
    end = time.monotonic() + limits.batch_s
    while len(replies) < len(requests):
        left_s = max(0.0, end - time.monotonic())
        if replies and not left_s:
            return replies + [Reply(error=_out_of_time()) for _ in requests[len(replies) :]]
        left = replace(limits, time_s=min(limits.time_s, left_s), batch_s=left_s)
        next_ones = requests[len(replies) : len(replies) + at_once]
        done = _attempt(module, operation, next_ones, left, budget)
        if not done:
            at_once = 1  # a batch died without saying at which item
        replies += done
    return replies


def _attempt(
    module: Loaded, operation: Declared, requests: Sequence[bytes], limits: Limits, budget: Budget
) -> list[Reply]:
    """Return the replies of one guest, which has answered all requests or has died of the last that has a reply.

    Empty where it died of several without saying at which it was.
    """
    guest = None
    try:
        guest = new_guest(module, limits)
        if len(requests) > 1:
            guest.limit_time_per_item(limits.time_s, ticks(limits.batch_s), len(requests))
        if operation.codec == "bytes":
            return [_bytes(guest, operation, requests[0], budget)]
        return decoded(guest, guest.call(operation.index, framed(requests)), len(requests), budget)
    except HostLacks:
        raise
    except WasmfleetError as error:
        died: WasmfleetError = error
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the call gets its row and its answer
        died = InternalError(f"the sandbox failed: {storable(error)}")
    if len(requests) == 1:
        return [Reply(error=died)]
    return _up_to_the_death(guest, died, len(requests), budget) if guest else []


def new_guest(module: Loaded, limits: Limits) -> Guest:
    """Make a guest under these limits. Raises MemoryLimitExceeded, SandboxTrap and HostLacks."""
    return Guest(module.engine, module.pre, memory_bytes=limits.memory_bytes, time_s=limits.time_s)


def _bytes(guest: Guest, operation: Declared, request: bytes, budget: Budget) -> Reply:
    """Return the reply of an operation that takes and gives bytes; it has a guest for each request."""
    where = guest.call(operation.index, request)
    budget.take_bytes(where.size)
    return Reply(guest.read(*where), size_bytes=where.size)


def _up_to_the_death(guest: Guest, error: WasmfleetError, count: int, budget: Budget) -> list[Reply]:
    """Return a dead guest's finished replies, and the error for the item it was at; empty where it does not say."""
    progress = guest.progress()
    if progress is None or progress.index >= count:
        return []
    try:
        finished = decoded(guest, progress.replies, progress.index, budget)
    except WasmfleetError:
        return []
    return [*finished, Reply(error=error)]


def framed(requests: Sequence[bytes]) -> bytes:
    """Return requests in the form in which a guest reads them: each its length (u32, little endian) and its bytes."""
    return b"".join(part for request in requests for part in (_LENGTH.pack(len(request)), request))


def _out_of_time() -> WasmfleetError:
    """Return the error of an item that was not begun before the batch's time was over."""
    return DeadlineExceeded("the batch used up its time before this item; publish smaller batches")
