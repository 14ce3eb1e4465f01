"""Wasmtime's engine: configured by the table in `switches.py`, with a thread that counts the time of guests."""

import hashlib
import platform
import threading
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime

from wasmfleet.workers.runtime.switches import PARALLEL, RESERVED, SWITCHES
from wasmfleet.workers.runtime.wasmtime_internals import bindings

TICK_S: Final = 0.02
_IDLE_TICKS_BEFORE_REST: Final = 50


def _config(*, parallel: bool, memory_bytes: int = 0) -> wasmtime.Config:
    """Set every switch as the table says, through Wasmtime's C API: its Python class lacks some of them (50.0)."""
    config = wasmtime.Config()
    given = {PARALLEL: parallel, RESERVED: memory_bytes}
    for switch in SWITCHES:
        value = given.get(switch, switch.value)
        if value is not None:
            getattr(bindings, f"wasmtime_config_{switch.name}")(config.ptr(), value)
    return config


def compiler() -> wasmtime.Engine:
    """Make an engine for the compiling process. It starts threads, so the process may not fork any more."""
    return wasmtime.Engine(_config(parallel=True))


@cache
def fingerprint() -> str:
    """Return a digest of all that machine code depends on: Wasmtime's version, the configuration and this CPU."""
    settings = " ".join([version("wasmtime"), *(f"{switch.name}={switch.value}" for switch in SWITCHES)])
    cpu = next((line for line in _cpu_lines() if line.startswith("flags")), platform.processor())
    return hashlib.blake2b(f"{settings} {platform.machine()} {cpu}".encode(), digest_size=8).hexdigest()


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


class Engine:
    """The engine of one process, made after the fork, for it has a thread.

    Each guest gets address space for `memory_bytes` beyond the memory that its module begins with. Wasmtime measures a
    guest's time in epochs. The thread advances the epoch every 20 ms while a guest runs.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self.wasmtime = wasmtime.Engine(_config(parallel=False, memory_bytes=memory_bytes))
        self._running = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._resting = True
        threading.Thread(target=self._tick, name="wasmfleet-epochs", daemon=True).start()

    def enter(self) -> None:
        """Note that a guest starts to run; the epoch advances until `leave` was called as often."""
        with self._lock:
            self._running += 1
        if self._resting:
            self._wake.set()

    def leave(self) -> None:
        """Note that a guest has stopped."""
        with self._lock:
            self._running -= 1

    def _tick(self) -> None:
        while True:
            self._wake.wait()
            self._resting = False
            self._tick_until_idle()

    def _tick_until_idle(self) -> None:
        """Advance the epoch until no guest has run for a second.

        The thread does not rest sooner: waking it for each call would cost more than the call.
        """
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
    """Return after how many epochs at least this time has passed."""
    return int(seconds / TICK_S) + 2
