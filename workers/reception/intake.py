"""Whether a worker takes messages. It takes none while the log or results cannot be written, and while it drains."""

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from wasmfleet.workers.records import outcomes

_log = logging.getLogger("wasmfleet.intake")


class Intake:
    """Pauses and resumes the consuming of this process's worker; see `intake` below, the only one."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self.paused_because = ""
        self.drained = False
        self._try: Callable[[], None] = _write_to_the_log

    @property
    def closed_because(self) -> str:
        """Why no messages are taken, or "" while they are."""
        return "it is drained" if self.drained else self.paused_because

    @property
    def open(self) -> bool:
        """Whether messages are taken."""
        return not self.closed_because

    def attach(self, consumer: Any) -> None:
        """Take charge of a consumer that has just begun to consume. In a worker that drains it stops at once."""
        self._consumer, self.paused_because = consumer, ""
        if self.drained:
            self._stop()

    def pause(self, reason: str, until: Callable[[], None] | None = None) -> None:
        """Stop taking messages until `until` raises nothing; by default, until the log can be written.

        What is taken already stays: each call that meets the same trouble goes back to its queue by itself.
        """
        if self._consumer is None or self.paused_because:
            return
        self.paused_because, self._try = reason, until or _write_to_the_log
        _log.error("no messages are taken: %s", reason)
        self._stop()

    def probe(self) -> None:
        """Take messages again where the trouble is over. The heart's thread calls this each second."""
        if not self.paused_because:
            return
        try:
            self._try()
        except (sqlite3.Error, RedisError):
            return
        _log.warning("the trouble is over; messages are taken again")
        self.paused_because = ""
        self._go_on()

    def drain(self) -> None:
        """Stop taking messages until `resume` is called: an operator wants it."""
        _log.warning("draining: the calls that are taken are finished, no more are taken")
        self.drained = True
        self._stop()

    def resume(self) -> None:
        """Take messages again after `drain`, unless the intake is paused as well."""
        self.drained = False
        self._go_on()

    def _stop(self) -> None:
        self._consumer.call_soon(self._consumer.task_consumer.cancel)

    def _go_on(self) -> None:
        if self.open:
            self._consumer.call_soon(self._consumer.task_consumer.consume)


def _write_to_the_log() -> None:
    outcomes.log().probe()


intake = Intake()
