"""Many calls as few messages: cut into chunks, published, and read back item by item.

for item in ast.validate.many([{"source": s, "filename": f} for f, s in files]):
    print(item.index, item.error or item.value)
"""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from celery.result import EagerResult
from redis.exceptions import RedisError

from wasmfleet.config.celery import BATCH, SERIALIZER, batch_time_limit, of_batches
from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.app import REQUEST, app
from wasmfleet.workers.calls import options as call_options
from wasmfleet.workers.calls.publishing import QUEUES, lane_of_eager, stamp
from wasmfleet.workers.calls.publishing import publish as send
from wasmfleet.workers.calls.result import AwaitedTask, Result
from wasmfleet.workers.contracts.contract import Arguments
from wasmfleet.workers.contracts.operation import Operation, check_size
from wasmfleet.workers.errors import InvalidArguments, UnreadableResult, WasmfleetError
from wasmfleet.workers.execution import registered
from wasmfleet.workers.execution.call import shape_of_batch
from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.records import listening, stored
from wasmfleet.workers.secrecy import sealed_calls
from wasmfleet.workers.untrusted.undecoded import Unreadable

R = TypeVar("R")
CHUNK_ITEMS: Final = 1000
CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Item(Generic[R]):
    """One call's result: its place in the batch from 0, and its `value`, or the `error` it ended with and no value."""

    index: int
    value: R
    error: WasmfleetError | None


class Batch(Generic[R]):
    """Calls that were published together.

    Iterate over it, with `for` or `async for`, to get an Item for each call, in the order in which the calls were
    given; the items of a chunk come when all of the chunk is done. A failed call is an Item with an
    error; it raises nothing. `async for` may be cancelled, as by `asyncio.timeout`; the calls run all the same, unless
    `cancel` withdraws them.
    """

    def __init__(self, chunks: list[tuple[Result[Any], int]], operation: str | None = None) -> None:
        self._chunks, self._operation = chunks, operation

    def __len__(self) -> int:
        return sum(count for _, count in self._chunks)

    @property
    def done(self) -> int:
        """The number of items that can be read without waiting."""
        return sum(count for chunk, count in self._chunks if chunk.ready())

    @property
    def task_ids(self) -> list[str]:
        """The ids of the messages, one a chunk; a call's row in the log has its message's id and its place in that."""
        return [chunk.id for chunk, _ in self._chunks]

    def __iter__(self) -> Iterator[Item[R]]:
        return self.results()

    def results(self, *, timeout: float | None = None) -> Iterator[Item[R]]:
        """Give the items in order, waiting for each chunk up to `timeout` seconds; None waits without end.

        Raises celery.exceptions.TimeoutError where a chunk takes longer.
        """
        index = 0
        for chunk, count in self._chunks:
            for answer in _answers(chunk.get(timeout=timeout, propagate=False), count):
                yield _item(self._operation, index, answer)
                index += 1

    async def __aiter__(self) -> AsyncIterator[Item[R]]:
        index = 0
        for chunk, count in self._chunks:
            for answer in _answers(await _awaited(chunk), count):
                yield _item(self._operation, index, answer)
                index += 1

    def cancel(self) -> None:
        """Withdraw the calls that have not begun; their items' error is Cancelled.

        Workers know of it within a second, and so do those that start later. Raises redis.RedisError.
        """
        ids = [chunk.id for chunk, _ in self._chunks if not chunk.ready()]
        # Not by Celery's broadcast: a worker that hears of it reports a call as revoked that runs in another worker.
        if ids:
            cancelled.note(ids)


def publish(
    operation: Operation,
    calls: Iterable[Mapping[str, Any]],
    *,
    lane: Lane | None,
    expires: float | None,
) -> Batch[Any]:
    """Publish the calls in chunks of at most 1,000 items or 1 MiB.

    Raises what `apply_async` raises; the message names the item whose arguments are refused. What was published before
    it is withdrawn.
    """
    call_options.check(operation.name, {"expires": expires})
    chosen = call_options.lane_of(operation.name, lane)
    sent: list[tuple[Result[Any], int]] = []
    try:
        for chunk in _chunks(operation, calls):
            sent.append((_send(operation, chunk, chosen, expires), len(chunk)))
    except WasmfleetError:
        with contextlib.suppress(RedisError):
            Batch(sent).cancel()  # so that the caller has published all of it or nothing
        raise
    return Batch(sent, operation.name)


def _chunks(operation: Operation, calls: Iterable[Mapping[str, Any]]) -> Iterator[list[Arguments]]:
    chunk: list[Arguments] = []
    chunk_bytes = 0
    for index, call in enumerate(calls):
        arguments, size = _sendable(operation, index, call)
        if chunk and (len(chunk) == CHUNK_ITEMS or chunk_bytes + size > CHUNK_BYTES):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(arguments)
        chunk_bytes += size
    if chunk:
        yield chunk


def _sendable(operation: Operation, index: int, call: Mapping[str, Any]) -> tuple[Arguments, int]:
    """Check an item's arguments, and return them as plain values, with their size in bytes."""
    try:
        if not isinstance(call, Mapping):
            kind = type(call).__name__
            raise InvalidArguments(f"{operation.name}: give the arguments by name, in a mapping; got {kind}")
        _, arguments, checked = operation.contract.sendable((), call)
        size = len(operation.contract.encode(checked))
        check_size(operation.name, size)
    except WasmfleetError as error:
        raise type(error)(f"item {index}: {error.message}", error.details) from None
    return arguments, size


def _send(operation: Operation, chunk: list[Arguments], lane: Lane, expires: float | None) -> Result[Any]:
    options: dict[str, Any] = {"queue": of_batches(QUEUES[lane]), "expires": expires}
    # Only a Batch reads a batch's result. That of a single call may be read by any app, also by its id alone.
    options["headers"] = {"wasmfleet": stamp(lane, options) | {"reply": SERIALIZER}}
    shown = shape_of_batch(operation.name, chunk)
    calls = [sealed_calls.sealed(operation.name, (), call)[1] for call in chunk]
    result: Result[Any] = send(
        run_batch.apply_async, (operation.name, calls), argsrepr=shown, kwargsrepr="{}", **options
    )
    return result


@app.task(
    name=BATCH,
    base=AwaitedTask,
    bind=True,
    throws=(WasmfleetError,),
    max_retries=None,
    shared=False,  # or every Celery app of the process would have it among its tasks
    Request=REQUEST,
    serializer=SERIALIZER,
    time_limit=batch_time_limit(settings()),
)
def run_batch(self: Any, operation: str | Unreadable, calls: Sequence[Arguments] = ()) -> list[list[Any]]:
    """Run many calls of one operation, and give for each `[0, value]` or `[1, code, message, details]`, in order."""
    from wasmfleet.workers.execution import execute

    if isinstance(operation, Unreadable):
        execute.refuse(self.name, self.request, operation.error)
    if self.request.is_eager:
        return [_answer_here(registered.operation(operation), self.request, call) for call in calls]
    outcomes = execute.batch(
        self, registered.operation(operation), self.request, [((), call) for call in calls]
    )
    return [_answer(outcome) for outcome in outcomes]


def _answer_here(operation: Operation, request: Any, call: Arguments) -> list[Any]:
    """Run a call of a batch that Celery runs at once, in the caller's process and without a row."""
    from wasmfleet.workers.execution import execute

    try:
        return [0, execute.here(operation, lane_of_eager(request), (), call)]
    except WasmfleetError as error:
        return _failed(error)


def _answer(outcome: Any) -> list[Any]:
    if outcome.error is None:
        return [0, outcome.value]
    return _failed(outcome.error)


def _failed(error: WasmfleetError) -> list[Any]:
    return [1, error.code, error.message, error.details]


async def _awaited(chunk: Any) -> Any:
    if isinstance(chunk, EagerResult):  # `task_always_eager`: it ran at once
        return chunk.result
    return (await listening.ended(chunk.id))["result"]


def _answers(found: Any, count: int) -> Sequence[Any]:
    """Give a chunk's answers, one an item; what is no list of them becomes each item's error."""
    if isinstance(found, BaseException):
        return _all(count, stored.of_failed_batch(found))
    if not isinstance(found, list) or len(found) != count:
        return _all(count, UnreadableResult(f"what is stored as the batch's result are not {count} answers"))
    return found


def _all(count: int, error: WasmfleetError) -> list[list[Any]]:
    return [_failed(error)] * count


def _item(operation: str | None, index: int, answer: Any) -> Item[Any]:
    value, error = stored.item(index, answer)
    try:
        return Item(index, sealed_calls.result(value, operation), error)
    except WasmfleetError as unopened:
        return Item(index, None, unopened)
