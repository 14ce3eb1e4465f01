"""Waiting for results in a caller's process: a store of results that is lost meanwhile is waited for as well.

Celery's own listener raises at once, or waits for ever, where the store is restarted while somebody waits.
"""

import time
from typing import Any, Final

from celery import states
from redis.exceptions import AuthenticationError

from wasmfleet.workers.internals.celery_results import RedisResultConsumer
from wasmfleet.workers.internals.redis_masters import LOST

_LOOK_S: Final = 1.0


class PatientConsumer(RedisResultConsumer):
    """Celery's listener for results (5.7, backends/redis.py), which outlives a lost store.

    How long somebody waits is their own `timeout` alone, whether the result is late or the store is away.
    """

    def start(self, initial_task_id: str, **_: Any) -> None:
        """Subscribe to a call's result, and again to those that were waited for before the store was lost.

        Celery's subscribes to the one call alone, so that other threads would wait for ever.
        """
        self.subscribe_all(initial_task_id)

    def on_wait_for_pending(self, result: Any, **kwargs: Any) -> None:
        """Look for what is stored already. Where the store is away, `drain_events` looks later; Celery's raises."""
        try:
            super().on_wait_for_pending(result, **kwargs)
        except LOST as error:
            if isinstance(error, AuthenticationError):
                raise
            self.forget_connection()

    def reconnect(self) -> None:
        """Subscribe anew to all calls that are waited for, and look for the result of each.

        Celery's reads what is stored under all keys without telling which belongs to which call. What is no result
        does not say it itself, so each call that is still waited for is looked up once more by its id.
        """
        super().reconnect()
        for key in self.awaited_keys:
            meta = self.backend.get_task_meta(self.backend.task_id_of(key))
            if meta["status"] in states.READY_STATES:
                self.on_state_change(meta, None)

    def on_state_change(self, meta: Any, message: Any) -> None:
        """Take a result. One that was published is that of its channel's call, whatever its content says."""
        if message is not None:
            meta["task_id"] = self.backend.task_id_of(message["channel"])
        if meta.get("task_id"):
            super().on_state_change(meta, message)

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait `timeout` seconds at most for one result. Where the store is away, the next look connects again."""
        try:
            if not self.is_connected and self.subscribed_to:
                self.reconnect()
            super().drain_events(timeout)
        except (*LOST, RuntimeError) as error:
            lost = error.__cause__ if isinstance(error, RuntimeError) else error
            if not isinstance(lost, LOST) or isinstance(lost, AuthenticationError):
                raise
            time.sleep(timeout or _LOOK_S)
