"""Children that died are noticed at once, so that their calls run again."""

from typing import Any, Final

from celery import bootsteps

_EVERY_S: Final = 0.5


class ReapStep(bootsteps.StartStopStep):
    """Looks for dead children twice a second.

    Celery looks when a child's pipe closes. The kernel closes it a moment before the child can be waited for; the
    look that comes too early finds nothing, and Celery's next one is up to 5 s away.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, parent: Any) -> None:
        if parent.hub and hasattr(parent.pool, "maintain_pool"):
            self._timer = parent.timer.call_repeatedly(_EVERY_S, parent.pool.maintain_pool)

    def stop(self, parent: Any) -> None:
        if self._timer:
            self._timer.cancel()
