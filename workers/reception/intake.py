"""Whether a worker takes messages: not while the log or a result cannot be written, nor while it drains."""

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from wasmfleet.workers.records import outcomes

_log = logging.getLogger("wasmfleet.intake")


class Intake:
    """The consuming of this process's worker, to be paused and resumed."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self.paused_because = ""
        self.drained = False
        self._try: Callable[[], None] = _write_to_the_log

    @property
    def closed_because(self) -> str:
        """Why no messages are taken; empty while they are."""
        return "it is drained" if self.drained else self.paused_because

    @property
    def open(self) -> bool:
        return not self.closed_because

    def attach(self, consumer: Any) -> None:
        """A consumer has started, and consumes; a worker that drains does not begin anew."""
        self._consumer, self.paused_because = consumer, ""
        if self.drained:
            self._stop()

    def pause(self, reason: str, until: Callable[[], None] | None = None) -> None:
        """Stops taking messages until the log can be written, or `until` raises nothing; what is taken goes back as
        each finds the same trouble."""
        if self._consumer is None or self.paused_because:
            return
        self.paused_because, self._try = reason, until or _write_to_the_log
        _log.error("no messages are taken: %s", reason)
        self._stop()

    def probe(self) -> None:
        """Goes on where the trouble is over. Called each second from the heart's thread."""
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
        """Stops taking messages until `resume`, on somebody's order."""
        _log.warning("draining: what is taken is ended, nothing more is taken")
        self.drained = True
        self._stop()

    def resume(self) -> None:
        """Undoes `drain`."""
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
