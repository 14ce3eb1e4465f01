"""Publish large results to clients without this package that still listen for them, until they have them.

Such a client takes its result from what is published, and from what is stored only when it notices a lost connection.
A server closes the connection of a subscriber for whom 32 MiB wait (`client-output-buffer-limit pubsub`). What is
published while the client connects again never reaches it: it waits for ever, also with Celery's own workers.
"""

import os
import threading
import time
from collections import deque
from typing import Any, Final

from celery.utils.log import get_task_logger

from wasmfleet.workers.internals.redis_masters import LOST

#: Seconds after which a result is published again to who still listens, the first time, the second, and so on.
_AFTER_S: Final = (2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
#: Publish what is stored under a key if anybody listens for it. The value stays in the server.
_SCRIPT: Final = """
if redis.call('PUBSUB', 'NUMSUB', KEYS[1])[2] == 0 then return 0 end
local stored = redis.call('GET', KEYS[1])
return stored and redis.call('PUBLISH', KEYS[1], stored) or 0
"""
_logger = get_task_logger(__name__)


class Repeating:
    """Results that this process has published lately, and a thread that looks after them while there are any."""

    def __init__(self) -> None:
        self._due: deque[tuple[float, int, Any, str]] = deque()
        self._lock = threading.Lock()
        self._runs = False

    def note(self, store: Any, key: str) -> None:
        """Look in two seconds whether anybody still listens for the result under this key; `store` is the client."""
        with self._lock:
            self._due.append((time.monotonic() + _AFTER_S[0], 0, store, key))
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="wasmfleet-results", daemon=True).start()

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            at, tries, store, key = entry
            time.sleep(max(0.0, at - time.monotonic()))
            if self._is_awaited(store, key) and tries + 1 < len(_AFTER_S):
                with self._lock:
                    self._due.append((time.monotonic() + _AFTER_S[tries + 1], tries + 1, store, key))

    def _next(self) -> tuple[float, int, Any, str] | None:
        with self._lock:
            if not self._due:
                self._runs = False
                return None
            entry = min(self._due, key=lambda one: one[0])
            self._due.remove(entry)
            return entry

    def _is_awaited(self, store: Any, key: str) -> bool:
        """Publish a result again; return whether anybody listened, or may listen where the store is away."""
        try:
            return bool(store.eval(_SCRIPT, 1, key))
        except LOST:
            return True
        except Exception as error:  # noqa: BLE001 - whatever the server answers, the thread goes on
            _logger.warning("a result cannot be published again: %s", error)
            return False


repeating = Repeating()
os.register_at_fork(after_in_child=repeating.__init__)  # type: ignore[misc]
