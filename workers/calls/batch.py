"""Many calls as few messages: cut into chunks, published, and read back item by item.

for item in ast.validate.many([{"source": s, "filename": f} for f, s in files]):
    print(item.index, item.error or item.value)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from redis.exceptions import RedisError

from wasmfleet.config.celery import BATCH, batch_time_limit, of_batches
from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.app import REQUEST, app
from wasmfleet.workers.calls.publishing import QUEUES, stamp
from wasmfleet.workers.calls.publishing import publish as send
from wasmfleet.workers.contracts.contract import Arguments
from wasmfleet.workers.contracts.operation import Operation, check_size
from wasmfleet.workers.errors import UnreadableResult, WasmfleetError
from wasmfleet.workers.execution import registered
from wasmfleet.workers.execution.call import shape_of_batch
from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.records import stored
from wasmfleet.workers.secrecy import sealed_calls
from wasmfleet.workers.untrusted.undecoded import Unreadable

if TYPE_CHECKING:
    from celery.result import AsyncResult

R = TypeVar("R")
NAME: Final = BATCH
CHUNK_ITEMS: Final = 1000
CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Item(Generic[R]):
    """One call's result: `error` is None or a WasmfleetError, else `value` holds."""

    index: int
    value: R
    error: WasmfleetError | None


class Batch(Generic[R]):
    """Calls on their way. Iterate, with `for` or `async for`, to get each Item in order as its chunk is done."""

    def __init__(self, chunks: "list[tuple[AsyncResult[Any], int]]", operation: str | None = None) -> None:
        self._chunks, self._operation = chunks, operation

    def __len__(self) -> int:
        return sum(count for _, count in self._chunks)

    @property
    def done(self) -> int:
        """How many items are ready to be read."""
        return sum(count for chunk, count in self._chunks if chunk.ready())

    @property
    def task_ids(self) -> list[str]:
        """The messages' ids, as the log has them; an item's row is (task id, place in its chunk)."""
        return [chunk.id for chunk, _ in self._chunks]

    def __iter__(self) -> Iterator[Item[R]]:
        return self.results()

    def results(self, *, timeout: float | None = None) -> Iterator[Item[R]]:
        """The items in order. Waits `timeout` seconds for each chunk, then raises TimeoutError."""
        index = 0
        for chunk, count in self._chunks:
            for answer in _answers(chunk, count, timeout):
                yield _item(self._operation, index, answer)
                index += 1

    async def __aiter__(self) -> AsyncIterator[Item[R]]:
        items = self.results()
        while (item := await asyncio.to_thread(next, items, None)) is not None:
            yield item

    def cancel(self) -> None:
        """Withdraws what has not begun, also from workers that start later; those items' error is Cancelled.

        Workers know of it within a second. Raises redis.RedisError.
        """
        ids = [chunk.id for chunk, _ in self._chunks if not chunk.ready()]
        # Not by Celery's broadcast: a worker that does not run a call calls it revoked, be it running elsewhere.
        if ids:
            cancelled.note(ids)


def publish(
    operation: Operation,
    calls: Iterable[Mapping[str, Any]],
    *,
    lane: Lane | None,
    expires: float | None,
) -> Batch[Any]:
    """Publishes the calls in chunks of at most 1,000 items or 1 MiB. Raises what `apply_async` raises; the
    message of InvalidArguments names the item."""
    chosen = lane or settings().lane
    sent: list[tuple[AsyncResult[Any], int]] = []
    try:
        for chunk in _chunks(operation, calls):
            sent.append((_send(operation, chunk, chosen, expires), len(chunk)))
    except WasmfleetError:
        with contextlib.suppress(RedisError):
            Batch(sent).cancel()  # all of it, or as little as can be
        raise
    return Batch(sent, operation.name)


def _chunks(operation: Operation, calls: Iterable[Mapping[str, Any]]) -> Iterator[list[Arguments]]:
    chunk: list[Arguments] = []
    chunk_bytes = 0
    for index, call in enumerate(calls):
        size = _checked_size(operation, index, call)
        if chunk and (len(chunk) == CHUNK_ITEMS or chunk_bytes + size > CHUNK_BYTES):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(dict(call))
        chunk_bytes += size
    if chunk:
        yield chunk


def _checked_size(operation: Operation, index: int, call: Mapping[str, Any]) -> int:
    try:
        size = len(operation.contract.encode(operation.contract.check((), call)))
        check_size(operation.name, size)
    except WasmfleetError as error:
        raise type(error)(f"item {index}: {error.message}", error.details) from None
    return size


def _send(
    operation: Operation, chunk: list[Arguments], lane: Lane, expires: float | None
) -> "AsyncResult[Any]":
    options: dict[str, Any] = {"queue": of_batches(QUEUES[lane]), "expires": expires}
    options["headers"] = {"wasmfleet": stamp(lane, options)}
    shown = shape_of_batch(operation.name, chunk)
    calls = [sealed_calls.sealed(operation.name, (), call)[1] for call in chunk]
    result: AsyncResult[Any] = send(
        run_batch.apply_async, (operation.name, calls), argsrepr=shown, kwargsrepr="{}", **options
    )
    return result


@app.task(
    name=NAME,
    bind=True,
    throws=(WasmfleetError,),
    max_retries=None,
    Request=REQUEST,
    time_limit=batch_time_limit(settings()),
)
def run_batch(self: Any, operation: str | Unreadable, calls: Sequence[Arguments] = ()) -> list[list[Any]]:
    """Runs many calls of one operation: `[0, value]` or `[1, code, message, details]` for each, in order."""
    from wasmfleet.workers.execution import execute

    if isinstance(operation, Unreadable):
        execute.refuse(self.name, self.request, operation.error)
    outcomes = execute.batch(
        self, registered.operation(operation), self.request, [((), call) for call in calls]
    )
    return [_answer(outcome) for outcome in outcomes]


def _answer(outcome: Any) -> list[Any]:
    if outcome.error is None:
        return [0, outcome.value]
    return [1, outcome.error.code, outcome.error.message, outcome.error.details]


def _answers(chunk: "AsyncResult[Any]", count: int, timeout: float | None) -> Sequence[Any]:
    """One answer an item, whatever lies in the store of results."""
    found: Any = chunk.get(timeout=timeout, propagate=False)
    if isinstance(found, BaseException):
        return _all(count, stored.of_failed_batch(found))
    if not isinstance(found, list) or len(found) != count:
        return _all(count, UnreadableResult(f"what is stored as the batch's result are not {count} answers"))
    return found


def _all(count: int, error: WasmfleetError) -> list[list[Any]]:
    return [[1, error.code, error.message, error.details]] * count


def _item(operation: str | None, index: int, answer: Any) -> Item[Any]:
    value, error = stored.item(index, answer)
    try:
        return Item(index, sealed_calls.result(value, operation), error)
    except WasmfleetError as unopened:
        return Item(index, None, unopened)
