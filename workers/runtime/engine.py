"""The engine: Wasmtime's configuration, and the ticker that enforces deadlines."""

import hashlib
import platform
import threading
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime

from wasmfleet.workers.runtime.switches import PARALLEL, SWITCHES
from wasmfleet.workers.runtime.wasmtime_internals import bindings

TICK_S: Final = 0.02
_IDLE_TICKS_BEFORE_REST: Final = 50


def _config(*, parallel: bool) -> wasmtime.Config:
    """Every switch as the table says. By the names of Wasmtime's C API: its Python classes lack some (50.0)."""
    config = wasmtime.Config()
    for switch in SWITCHES:
        value = parallel if switch is PARALLEL else switch.value
        if value is not None:
            getattr(bindings, f"wasmtime_config_{switch.name}")(config.ptr(), value)
    return config


def compiler() -> wasmtime.Engine:
    """An engine for the compiling process: it starts threads, so nothing may fork after it."""
    return wasmtime.Engine(_config(parallel=True))


@cache
def fingerprint() -> str:
    """What a compiled module is bound to: engine version, configuration and host CPU."""
    settings = " ".join([version("wasmtime"), *(f"{switch.name}={switch.value}" for switch in SWITCHES)])
    cpu = next((line for line in _cpu_lines() if line.startswith("flags")), platform.processor())
    return hashlib.blake2b(f"{settings} {platform.machine()} {cpu}".encode(), digest_size=8).hexdigest()


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


class Engine:
    """One process's engine. Made after fork, because its ticker is a thread."""

    def __init__(self) -> None:
        self.wasmtime = wasmtime.Engine(_config(parallel=False))
        self._running = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._resting = True
        threading.Thread(target=self._tick, name="wasmfleet-epochs", daemon=True).start()

    def enter(self) -> None:
        """A guest starts: epochs advance until as many have left."""
        with self._lock:
            self._running += 1
        if self._resting:
            self._wake.set()

    def leave(self) -> None:
        with self._lock:
            self._running -= 1

    def _tick(self) -> None:
        while True:
            self._wake.wait()
            self._resting = False
            self._tick_until_idle()

    def _tick_until_idle(self) -> None:
        """Ends a second after the last guest left: waking the thread for each call would cost more than the call."""
        idle_ticks = 0
        while idle_ticks < _IDLE_TICKS_BEFORE_REST:
            time.sleep(TICK_S)
            idle_ticks = 0 if self._running else idle_ticks + 1
            if self._running:
                self.wasmtime.increment_epoch()
        self._wake.clear()
        self._resting = True
        if self._running:
            self._wake.set()


def ticks(seconds: float) -> int:
    """Epochs after which at least this time has passed."""
    return int(seconds / TICK_S) + 2
