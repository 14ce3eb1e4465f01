"""Waiting for results in a caller's process: a store of results that is lost meanwhile is waited for as well.

Celery's own listener raises at once, or waits for ever, where the store is restarted while somebody waits. It hears
only what is published while it listens; ours also reads what is stored.
"""

import contextlib
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from celery import states
from redis.exceptions import AuthenticationError

from wasmfleet.workers.internals.celery_results import RedisResultConsumer
from wasmfleet.workers.internals.redis_masters import LOST

_PAUSE_S: Final = 1.0
_BEFORE_THE_FIRST_S: Final = 0.05
#: Seconds between two looks into the store for results that were not heard of. A subscription may be deaf: its server
#: is a master no more and keeps the connection open, or a proxy in between does.
LOOK_S: Final = 3.0
_KEYS_A_LOOK: Final = 500
#: Results of more bytes than this are not published to callers of this package: a server closes the connection of a
#: subscriber for whom 32 MiB wait. They get `NOTE`, and read the key.
PUBLISHED_BYTES: Final = 256 << 10
#: What is published in place of a large result. It is a state of Celery's, so that other clients pass over it.
NOTE: Final = json.dumps(
    {"status": states.STARTED, "result": None, "traceback": None, "children": []}
).encode()


class PatientConsumer(RedisResultConsumer):
    """Celery's listener for results (5.7, backends/redis.py), which outlives a lost store.

    How long somebody waits is their own `timeout` alone, whether the result is late or the store is away.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin()

    def _begin(self) -> None:
        self._noted: deque[str] = deque()  # calls whose results are stored, by what was published
        self._heard = False  # whether anything was published since the last look
        self._looking = threading.Lock()
        self._look_at = time.monotonic() + LOOK_S

    def renew(self) -> None:
        """Forget, in a forked child, what belonged to its parent."""
        super().renew()
        self._begin()

    def start(self, initial_task_id: str, **_: Any) -> None:
        """Subscribe to a call's result, and again to those that were waited for before the store was lost.

        Celery's subscribes to the one call alone, so that other threads would wait for ever. Where the store is away,
        `drain_events` subscribes later.
        """
        with self._patience():
            self.subscribe_all(initial_task_id)

    def on_wait_for_pending(self, result: Any, **kwargs: Any) -> None:
        """Look for what is stored already. Where the store is away, `drain_events` looks later; Celery's raises."""
        with self._patience():
            super().on_wait_for_pending(result, **kwargs)

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        """Take a store that is away for a connection to be opened later; wrong credentials stay an error."""
        try:
            yield
        except LOST as error:
            if isinstance(error, AuthenticationError):
                raise
            self.forget_connection()

    def cancel_for(self, task_id: str) -> None:
        """Wait for a call no longer. Celery's `AsyncResult.__del__` calls this also while the interpreter ends, when
        locks, connections and greenlets are gone."""
        if not sys.is_finalizing():
            super().cancel_for(task_id)

    def on_state_change(self, meta: Any, message: Any) -> None:
        """Take a result. One that was published is that of its channel's call, whatever its content says.

        What was published and is no result says that the result is stored.
        """
        if message is not None:
            self._heard = True
            meta["task_id"] = self.backend.task_id_of(message["channel"])
            if meta["status"] not in states.READY_STATES:
                self._noted.append(meta["task_id"])
                return
        if meta.get("task_id"):
            super().on_state_change(meta, message)

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait `timeout` seconds at most for one result. Where the store is away, the next look connects again."""
        try:
            if not self.is_connected:
                if not self.subscribed_to:
                    # A greenlet that was started for a call that is about to be waited for.
                    time.sleep(min(timeout or _PAUSE_S, _BEFORE_THE_FIRST_S))
                    return
                self.reconnect()
            super().drain_events(timeout)
            self._take_noted()
            self._look_if_due()
        except TimeoutError:
            raise  # nothing came; redis-py's own TimeoutError is another class
        except (*LOST, RuntimeError) as error:
            lost = error.__cause__ if isinstance(error, RuntimeError) else error
            if not isinstance(lost, LOST) or isinstance(lost, AuthenticationError):
                raise
            self.forget_connection()
            time.sleep(timeout or _PAUSE_S)

    def _take_noted(self) -> None:
        """Read the results that were announced, without the lock of the subscription: they may be large."""
        while self._noted:
            task_id = self._noted.popleft()
            try:
                self._take_stored(task_id)
            except LOST:
                self._noted.append(task_id)
                raise

    def _look_if_due(self) -> None:
        """Look for what was missed: after each new subscription, and every few seconds in any case."""
        if not self.was_reconnected and time.monotonic() < self._look_at:
            return
        if self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()

    def _look(self) -> None:
        """Take every result that somebody waits for and that is stored already."""
        heard, self._heard = self._heard or self.was_reconnected, False
        self.was_reconnected, self._look_at = False, time.monotonic() + LOOK_S
        try:
            missed = sum(self._take_stored(task_id) for task_id in self._stored())
        except LOST:
            self.was_reconnected = True
            raise
        if missed and not heard:
            self.forget_connection()  # it said nothing of them; the next look opens another

    def _stored(self) -> list[str]:
        """List the calls that are waited for and have something stored."""
        found: list[str] = []
        keys, store = list(self.awaited_keys), self.backend.client
        for first in range(0, len(keys), _KEYS_A_LOOK):
            some = keys[first : first + _KEYS_A_LOOK]
            if store.exists(*some):
                with store.pipeline(transaction=False) as pipe:
                    for key in some:
                        pipe.exists(key)
                    found += [
                        self.backend.task_id_of(key)
                        for key, is_there in zip(some, pipe.execute(), strict=True)
                        if is_there
                    ]
        return found

    def _take_stored(self, task_id: str) -> bool:
        """Take the result of a call if it is stored; return whether it was."""
        meta = self.backend.get_task_meta(task_id)
        if meta["status"] not in states.READY_STATES:
            return False
        self.on_state_change(meta, None)
        self.wake()
        return True
