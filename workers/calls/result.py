"""The handle of a call that was published: Celery's AsyncResult, typed, awaitable, and allowed in others' tasks."""

from typing import Any, Generic, TypeVar

from celery import Task
from celery.result import AsyncResult

from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.records import listening

R = TypeVar("R")


class Result(AsyncResult, Generic[R]):  # type: ignore[type-arg]
    """The result of a call, now or later. It has everything that Celery's `AsyncResult` (5.7) has."""

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        *by_place: Any,
        disable_sync_subtasks: bool = True,
        **options: Any,
    ) -> R:
        """Wait for the call to end, `timeout` seconds at most, and return its value. Raises the call's error.

        Celery refuses to wait within a task, because all workers of a fleet could come to wait for each other. Within a
        task of another Celery app it is allowed here: the call runs in this fleet, whose workers do not wait for that
        app. Where tasks of that app come before this call, as in a chain, Celery's rule stands.

        Raises celery.exceptions.TimeoutError when time is over.
        """
        refused = disable_sync_subtasks and (in_a_call() or not _is_ours(self.parent))
        wait: Any = super().get
        value: R = wait(timeout, propagate, interval, *by_place, disable_sync_subtasks=refused, **options)
        return value

    wait = get

    async def aio(self) -> R:
        """Wait for the call to end without blocking the event loop, and return its value. Raises the call's error.

        `asyncio.timeout` limits how long. Cancelling ends the waiting; the call runs all the same.
        """
        return listening.value_of(await listening.ended(self.id))  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return _restored, (self.id, self.parent)


def _is_ours(parent: Any) -> bool:
    """Tell whether every call that comes before is one of this fleet, or there is none."""
    while parent is not None:
        if not isinstance(parent, Result):
            return False
        parent = parent.parent
    return True


def _restored(task_id: str, parent: Any) -> Result[Any]:
    return Result(task_id, app=app, parent=parent)


class AwaitedTask(Task):  # type: ignore[type-arg]
    """A task whose calls give a Result."""

    abstract = True

    def AsyncResult(self, task_id: str, **options: Any) -> Result[Any]:  # noqa: N802 - Celery's name
        """Give the handle of a call by its id."""
        return Result(task_id, app=app, **options)
