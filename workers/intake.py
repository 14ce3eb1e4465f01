"""A worker takes no messages while the result log cannot be written: it probes, and goes on when it can."""

import sqlite3
from typing import Any

import structlog

from wasmfleet.workers import outcomes

_log = structlog.get_logger("wasmfleet.intake")


class Intake:
    """The consuming of this process's worker, to be paused and resumed."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self.paused_because = ""

    def attach(self, consumer: Any) -> None:
        """A consumer has started; it consumes."""
        self._consumer, self.paused_because = consumer, ""

    def pause(self, reason: str) -> None:
        """Stops taking messages; what is taken goes back as each finds the log unwritable."""
        if self._consumer is None or self.paused_because:
            return
        self.paused_because = reason
        _log.error("no messages are taken until the log can be written", reason=reason)
        self._consumer.call_soon(self._consumer.task_consumer.cancel)

    def probe(self) -> None:
        """Resumes where the log can be written again. Called each second from the heart's thread."""
        if not self.paused_because:
            return
        try:
            outcomes.log().probe()
        except sqlite3.Error:
            return
        _log.warning("the log can be written again; messages are taken")
        self.paused_because = ""
        self._consumer.call_soon(self._consumer.task_consumer.consume)


intake = Intake()
