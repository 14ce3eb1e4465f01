"""A thread of each worker's main process, which sends a heartbeat each second and does what must be done regularly.

It starts the compilation of modules, tries whether a paused intake can go on, learns of cancelled calls, and deletes
old rows of the log.
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import redis

from wasmfleet.config.settings import Settings
from wasmfleet.workers.calls import own_modules
from wasmfleet.workers.fleet_state import cancelled, heartbeats, neglected, reported, state
from wasmfleet.workers.fleet_state.heartbeats import Presence, Told
from wasmfleet.workers.node import host
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.reception.pulse import pulse
from wasmfleet.workers.records.outcomes import Log
from wasmfleet.workers.runtime import modules
from wasmfleet.workers.runtime.trial import Trial

_FORGET_EVERY_S: Final = 3600.0
_CHECKPOINT_EVERY_S: Final = 60.0
_log = logging.getLogger("wasmfleet.presence")


class Heart:
    """The thread, from the start of a worker's consumer to its end.

    `on_fleet` is called each second in a plain-Python worker, with whether an accelerated worker is seen.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        role: Literal["wasm", "python"],
        on_fleet: Callable[[bool], None],
    ):
        self._settings = settings
        self._worker = worker
        self._role: Literal["wasm", "python"] = role
        self._on_fleet = on_fleet
        self._stopped = threading.Event()
        self._compiler: Any = None
        self._trial = Trial()
        self._reported: dict[str, str] = {}
        self._troubles: list[str] = []
        self._last_accelerated = self._last_forgotten = self._last_checkpoint = time.monotonic()
        self._said: dict[str, tuple[str, str]] = {}
        self._cancelled: bytes | None = None
        self._neglected = neglected.Watch(settings)

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._beat_until_stopped, name="wasmfleet-heart", daemon=True).start()

    def stop(self) -> None:
        """Let the thread withdraw its heartbeat and end, and end what it has started."""
        self._stopped.set()
        self._trial.end()

    def _beat_until_stopped(self) -> None:
        connection = state.client(self._settings)
        log = Log(self._settings)
        while not self._stopped.wait(heartbeats.BEAT_S):
            pulse.beat()
            try:
                intake.probe()
                self._heed(self._beat(connection))
                pulse.answered()
                self._tidy(log)
                self._neglected.look(connection)
            except (redis.RedisError, sqlite3.OperationalError):
                continue  # the broker or the log is away; the next beat tries again
            except Exception:  # noqa: BLE001 - the thread must live
                _log.exception("a heartbeat failed; the next one is tried in a second")
        with contextlib.suppress(redis.RedisError):
            heartbeats.withdraw(connection, self._worker)

    def _beat(self, connection: "redis.Redis") -> Told:
        states = self._states()
        if not self._reported or self._settings.modules:  # folders of modules change while it runs
            self._report()
        beat = Presence(
            worker=self._worker,
            role=self._role,
            pid=os.getpid(),
            node=host.name(),
            version="1",
            modules=states,
            sent_at=time.time(),
            idle_because=intake.closed_because,
            obeys_all=self._settings.remote_control == "all",
            settings=self._reported,
            troubles=self._troubles,
            unregistered=own_modules.unregistered(self._settings),
        )
        return heartbeats.send(connection, beat)

    def _heed(self, told: Told) -> None:
        """Act on what the heartbeat was answered with."""
        if self._role == "python":
            if told.accelerated:
                self._last_accelerated = time.monotonic()
            self._on_fleet(time.monotonic() - self._last_accelerated < heartbeats.EXPIRY_S)
        if told.cancelled != self._cancelled:
            cancelled.learn()
            self._cancelled = told.cancelled

    def _states(self) -> dict[str, tuple[str, str]]:
        """Return each module's state and its reason, and have compiled what is not; a plain-Python worker has none."""
        if self._role == "python":
            return {}
        states: dict[str, tuple[str, str]] = dict(modules.states(self._settings))
        if any(state == "compiling" for state, _ in states.values()):
            self._compile()
        else:
            states |= self._trial.failed(frozenset(n for n, (state, _) in states.items() if state == "ready"))
        self._say_changes(states)
        return states

    def _compile(self) -> None:
        if self._compiler is None or self._compiler.poll() is not None:
            self._compiler = modules.wasmtime_part("compile").start()

    def _say_changes(self, states: dict[str, tuple[str, str]]) -> None:
        for name, (now, reason) in states.items():
            if self._said.get(name) != (now, reason):
                level = logging.ERROR if now in ("failed", "absent") else logging.INFO
                _log.log(level, "module %s: %s%s", name, now, f", {reason}" if reason else "")
        self._said = states

    def _report(self) -> None:
        """Read anew what is reported of this worker: a keyring or a folder of modules may have changed."""
        self._reported, self._troubles = reported.of(self._settings), reported.troubles(self._settings)

    def _tidy(self, log: Log) -> None:
        if time.monotonic() - self._last_checkpoint > _CHECKPOINT_EVERY_S:
            self._last_checkpoint = time.monotonic()
            log.checkpoint()
            self._report()
        if time.monotonic() - self._last_forgotten < _FORGET_EVERY_S:
            return
        self._last_forgotten = time.monotonic()
        self._cancelled = None  # read all cancelled calls again: Celery forgets each after three hours
        log.forget_older_than(self._settings.retention_days)
