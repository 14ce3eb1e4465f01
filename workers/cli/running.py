"""Running a fleet for as long as a command runs: a supervisor in this process starts it and stops it."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Any, Final

from wasmfleet.config.settings import Settings
from wasmfleet.workers.cli.version import version

if TYPE_CHECKING:
    from wasmfleet.workers.node.supervisor import Say, Supervisor

_BROKER_S: Final = 60.0
_WORKERS_S: Final = 60.0
_LOOK_S: Final = 0.1
_ROLES: Final = frozenset(("wasm", "python"))


@contextlib.contextmanager
def fleet(settings: Settings, counts: dict[str, int], say: "Say") -> "Iterator[Supervisor]":
    """Run a fleet with so many processes of each kind, and stop it in order. `say` gets each line of their output."""
    from wasmfleet.workers.node import data_folder, supervisor

    data_folder.refuse_shared(settings)
    entries = supervisor.entries(supervisor.procfile(), counts)
    with supervisor.claimed(settings, version()):
        running = supervisor.Supervisor(entries, grace_s=settings.hard_time_limit + 5, say=say)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            with signals(running.stop):
                running.wait()


@contextlib.contextmanager
def temporary(settings: Settings) -> Iterator[None]:
    """Run a fleet for one job, without Flower and without printing its output, and stop it afterwards."""
    with fleet(settings, {"flower": 0}, lambda name, line: None) as started:
        wait_for_workers(settings, started.kinds, threading.Event())
        yield


def wait_for_workers(settings: Settings, kinds: Set[str], stopped: threading.Event) -> None:
    """Wait until a worker of each role among these kinds of processes has sent a heartbeat, or `stopped` is set.

    Raises BrokerUnavailable, RuntimeUnavailable.
    """
    from wasmfleet.workers.errors import BrokerUnavailable, RuntimeUnavailable
    from wasmfleet.workers.node import broker as brokers

    try:
        brokers.wait(settings, _BROKER_S, stopped.is_set)
    except BrokerUnavailable:
        if stopped.is_set():
            return
        raise
    deadline = time.monotonic() + _WORKERS_S
    while (missing := _ROLES & kinds - _roles(settings)) and not stopped.is_set():
        if time.monotonic() > deadline:
            which = " and ".join(sorted(missing))
            raise RuntimeUnavailable(
                f"the workers ({which}) did not start in time; `wasmfleet doctor` says what is wrong"
            )
        time.sleep(_LOOK_S)


def _roles(settings: Settings) -> Set[str]:
    """Return the roles of the workers that have sent a heartbeat lately."""
    from redis import RedisError

    from wasmfleet.workers.fleet_state import heartbeats, state

    with contextlib.suppress(RedisError), state.client(settings) as connection:
        return {worker.role for worker in heartbeats.present(connection)}
    return frozenset()


@contextlib.contextmanager
def signals(act: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal call `act` instead of what they usually do."""

    def handle(_signal: int, _frame: Any) -> None:
        act()

    before = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
