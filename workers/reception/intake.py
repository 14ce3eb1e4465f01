"""Whether a worker takes messages. It takes none while the log or results cannot be written, and while it drains."""

import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from redis.exceptions import RedisError

from wasmfleet.workers.records import outcomes

#: The longest time in seconds for which the intake is paused although what it waits for answers. Each pause is twice as
#: long as the one before, until a call ends as it should.
_MOST_S: Final = 8.0
_log = logging.getLogger("wasmfleet.intake")


class Intake:
    """Pauses and resumes the consuming of this process's worker; see `intake` below, the only one."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self.paused_because = ""
        self.drained = False
        self._pause_s = self._not_before = 0.0
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

    def pause(self, reason: str, until: Callable[[], None] | None = None, *, is_general: bool = True) -> None:
        """Stop taking messages until `until` raises nothing; by default, until the log can be written.

        Where the trouble `is_general` and no call ends well in between, each pause is longer than the one before.

        What is taken already stays: each call that meets the same trouble goes back to its queue by itself.
        """
        if self._consumer is None or self.paused_because:
            return
        self.paused_because, self._try = reason, until or _write_to_the_log
        self._not_before = time.monotonic() + self._pause_s
        if is_general:
            self._pause_s = min(max(1.0, 2 * self._pause_s), _MOST_S)
        _log.error("no messages are taken: %s", reason)
        self._stop()

    def probe(self) -> None:
        """Take messages again where the trouble is over. The heart's thread calls this each second."""
        if not self.paused_because or time.monotonic() < self._not_before:
            return
        try:
            self._try()
        except (sqlite3.Error, RedisError):
            return
        _log.warning("the trouble is over; messages are taken again")
        self.paused_because = ""
        self._go_on()

    def note_end(self) -> None:
        """Note that a call has ended and is acknowledged: the next pause is a short one."""
        self._pause_s = 0.0

    def after(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call a function in the consumer's thread so many seconds from now."""
        soon = self._consumer.call_soon
        soon(self._consumer.timer.call_after, seconds, partial(soon, function))

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
