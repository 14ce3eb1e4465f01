"""A look for dead children twice a second, so that their calls run again at once."""

from typing import Any, Final

from celery import bootsteps

_EVERY_S: Final = 0.5


class ReapStep(bootsteps.StartStopStep):
    """Step of the consumer that has the pool of children look for dead ones twice a second.

    Celery's pool looks when a child's pipe closes (5.7, concurrency/asynpool.py). The kernel closes it a moment before
    the child can be waited for. A look that comes too early finds nothing, and the next one is up to 5 s away.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin to look, in a worker that has an event loop and a pool of processes."""
        if parent.hub and hasattr(parent.pool, "maintain_pool"):
            self._timer = parent.timer.call_repeatedly(_EVERY_S, parent.pool.maintain_pool)

    def stop(self, parent: Any) -> None:
        """Look no longer."""
        if self._timer:
            self._timer.cancel()
