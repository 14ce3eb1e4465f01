"""The signs of life of a worker's main process, which a thread writes into the data folder each second.

They are also told to systemd, where it started the worker.
"""

import contextlib
import threading
from typing import Any, Final

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import host, liveness, systemd, vital_signs
from wasmfleet.workers.node.vital_signs import VitalSigns
from wasmfleet.workers.reception.intake import intake

_EVERY_S: Final = 1.0


class Pulse:
    """What is known of this process's worker; see `pulse` below, the only one."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._name = ""
        self._consumer: Any = None
        self._timer: Any = None
        self._thread: threading.Thread | None = None
        self._turned_at: float | None = None
        self._beat_at = self._manned_at = self._answered_at = 0.0

    def begin(self, settings: Settings, name: str) -> None:
        """Say that the worker of this name starts in this process."""
        self._settings, self._name = settings, name
        with contextlib.suppress(OSError):
            vital_signs.begin(settings, VitalSigns.of_this_process(name=name, node=host.name()))

    def attach(self, consumer: Any) -> None:
        """Say that the worker consumes, and watch the event loop that it consumes in."""
        self._consumer, self._turned_at = consumer, None
        self._beat_at = self._manned_at = self._answered_at = vital_signs.now()
        if consumer.hub:
            self.turn()
            self._timer = consumer.timer.call_repeatedly(_EVERY_S, self.turn)
        systemd.tell("READY=1")
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_for_ever, name="wasmfleet-pulse", daemon=True)
            self._thread.start()

    def detach(self) -> None:
        """Say that the worker does not consume: its connection is made anew, or it ends."""
        self._consumer = None
        if self._timer:
            self._timer.cancel()

    def end(self) -> None:
        """Remove the signs of a worker that ends."""
        systemd.tell("STOPPING=1")
        if self._settings:
            vital_signs.remove(self._settings, self._name)
        self._settings = None

    def turn(self) -> None:
        """Note a turn of the event loop."""
        self._turned_at = vital_signs.now()

    def beat(self) -> None:
        """Note a beat of the heart."""
        self._beat_at = vital_signs.now()

    def answered(self) -> None:
        """Note an answer to a heartbeat."""
        self._answered_at = vital_signs.now()

    def _write_for_ever(self) -> None:
        pause = threading.Event()
        signs = VitalSigns.of_this_process(name=self._name, node=host.name())
        while settings := self._settings:
            now = self._observe(signs)
            with contextlib.suppress(OSError):
                vital_signs.write(settings, now)
            if not now.dead_because(vital_signs.now()):
                systemd.tell("WATCHDOG=1")
            pause.wait(_EVERY_S)

    def _observe(self, signs: VitalSigns) -> VitalSigns:
        consumer = self._consumer
        if consumer is None or _has_child(consumer.pool):
            self._manned_at = vital_signs.now()
        return msgspec.structs.replace(
            signs,
            phase="reconnecting" if consumer is None else "running",
            turned_at=self._turned_at,
            written_at=vital_signs.now(),
            beat_at=self._beat_at,
            manned_at=self._manned_at,
            answered_at=self._answered_at,
            closed_because=intake.closed_because[:200],
        )


def _has_child(pool: Any) -> bool:
    """Whether one of the pool's processes lives; true of a pool that has none, and while the pool cannot tell."""
    try:
        pids = pool.info.get("processes")
    except Exception:  # noqa: BLE001 - the pool changes in another thread meanwhile
        return True
    return not pids or any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return liveness.started_ticks(pid) != liveness.UNKNOWN
    except OSError:
        return liveness.has_no_proc()


pulse: Final = Pulse()
