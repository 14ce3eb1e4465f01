"""Calls for programs with an event loop: published by a few threads, awaited by none."""

import asyncio
import contextlib
import contextvars
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, Generic, ParamSpec, TypeVar

from celery.result import EagerResult
from celery.utils import uuid
from redis.exceptions import RedisError

from wasmfleet.config.settings import Lane
from wasmfleet.workers.calls.batch import Batch
from wasmfleet.workers.calls.options import Options
from wasmfleet.workers.errors import InvalidArguments
from wasmfleet.workers.records import listening
from wasmfleet.workers.records.waiters import Waiter

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
#: Threads that publish. One message takes a broker's answer; more threads would only contend for the interpreter.
_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Aio(Generic[P, R]):
    """An operation as coroutines: `await op.aio(...)`, and `await op.aio.many(...)`.

    `task` is the operation's, and `chosen` are the options of its calls.
    """

    task: Any
    chosen: Options

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Publish a call, wait for it to end, and return its value, without blocking the event loop.

        `asyncio.timeout` and `asyncio.wait_for` limit how long; `.options(expires=...)` withdraws a call that no worker
        takes in time. Cancelling ends the waiting: a call that is published by then runs all the same, and its row is
        in the log; one that is not yet is not published any more.

        Raises what `.delay` and `.get` raise.
        """
        options = dict(self.chosen)
        if options.get("ignore_result"):
            raise InvalidArguments(f"{self.task.name}: ignore_result=True leaves nothing to await")
        task_id = str(options.pop("task_id", None) or uuid())
        with listening.waiting(task_id) as waiter:
            publish = partial(self.task.apply_async, args, kwargs, task_id=task_id, **options)
            subscribed, result = await _in_thread(_sent_in_thread, waiter, publish)
            if isinstance(result, EagerResult):  # `task_always_eager`: it ran at once
                return result.get(disable_sync_subtasks=False)  # type: ignore[no-any-return]
            if not subscribed:
                listening.look(waiter)
            return listening.value_of(await waiter.future)  # type: ignore[no-any-return]

    async def many(
        self, calls: Iterable[Mapping[str, Any]], *, lane: Lane | None = None, expires: float | None = None
    ) -> Batch[R]:
        """Publish any number of calls as few messages, without blocking the event loop; see `op.many`.

        Read the result with `async for`. Where this is cancelled, what was published is withdrawn.
        """
        given = {"lane": lane, "expires": expires}
        chosen = self.chosen | {name: value for name, value in given.items() if value is not None}
        publish = partial(self.task.options(**chosen).many, list(calls))
        published = _threads().submit(contextvars.copy_context().run, publish)
        try:
            return await asyncio.wrap_future(published)
        except asyncio.CancelledError:
            published.add_done_callback(_withdraw)
            raise


def _sent_in_thread(waiter: Waiter, publish: Callable[[], Any]) -> tuple[bool, Any]:
    """Publish a call, and return whether its result was subscribed to before, and what Celery returns."""
    subscribed = waiter.subscribed
    return subscribed, publish()


def _withdraw(published: "Future[Batch[Any]]") -> None:
    if not published.cancelled() and published.exception() is None:
        with contextlib.suppress(RedisError):
            published.result().cancel()


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    run = contextvars.copy_context().run
    return await asyncio.get_running_loop().run_in_executor(_threads(), run, function, *args)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="wasmfleet-publish")


os.register_at_fork(after_in_child=_threads.cache_clear)
