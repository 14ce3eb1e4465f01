"""The processes: `up` runs them all; `broker`, `worker` and `flower` are the lines of the Procfile."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer

from wasmfleet.config.settings import PREFIX, Settings, SettingsError, settings, without_password
from wasmfleet.workers.cli import lines
from wasmfleet.workers.cli.version import version

if TYPE_CHECKING:
    from wasmfleet.workers.supervisor import Say, Supervisor

_BROKER_S: Final = 60.0
_WORKERS_S: Final = 60.0
_LOOK_S: Final = 0.1
_COLOURS: Final = {"broker": "magenta", "wasm": "cyan", "python": "yellow", "flower": "green"}


def up(
    scale: Annotated[
        list[str] | None, typer.Argument(help="Counts, as in wasm=4.", show_default=False)
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Put real files through the fleet.")] = False,
    once: Annotated[bool, typer.Option("--once", help="With --sample: stop after it.")] = False,
) -> None:
    """Start the fleet: the broker, accelerated and plain-Python workers, and Flower.

    What exits is started again. Ctrl-C stops all of it in order, and leaves nothing behind.
    """
    if once and not sample:
        raise SettingsError("--once goes with --sample")
    counts = dict(_count(word) for word in scale or [])
    if sample and _joins():
        lines.say("a fleet already runs; the sample joins it, and leaves it running")
        raise typer.Exit(_sample())
    with _fleet(settings(), counts, _printed) as supervisor:
        code = _job(supervisor, sample, once)
    raise typer.Exit(code)


def broker() -> None:
    """Run the embedded Valkey of the data folder."""
    from wasmfleet.workers import broker as brokers
    from wasmfleet.workers import data_folder

    data_folder.refuse_shared(settings())
    brokers.run(settings())


def worker(role: Annotated[Literal["wasm", "python"], typer.Argument(help="Who it is.")]) -> None:
    """Run an accelerated (wasm) or a plain-Python worker."""
    from wasmfleet.workers import broker as brokers
    from wasmfleet.workers import data_folder

    data_folder.refuse_shared(settings())
    brokers.wait(settings(), _BROKER_S)
    name = f"{role}-{os.getpid()}@%h"
    consumed = ",".join(_queues(role, settings()))
    _become("celery", "worker", f"--queues={consumed}", f"--hostname={name}", *_quiet())


def flower() -> None:
    """Run Flower."""
    from wasmfleet.workers import addresses, data_folder
    from wasmfleet.workers import broker as brokers

    data_folder.refuse_shared(settings())
    brokers.wait(settings(), _BROKER_S)
    address = settings().flower_address
    port = brokers.free_port(address, settings().flower_port, "WASMFLEET_FLOWER_PORT")
    addresses.publish_flower(settings(), port)
    if settings().flower_auth:
        os.environ["FLOWER_BASIC_AUTH"] = settings().flower_auth  # `ps` shows arguments to everybody
    for name in ("KEYRING", "SEAL_KEY"):  # or its pages and its API would open sealed results
        os.environ.pop(PREFIX + name, None)
    _become("wasmfleet.workers.flower", "flower", "--logging=error", f"--address={address}", f"--port={port}")


def _count(word: str) -> tuple[str, int]:
    name, _, number = word.partition("=")
    if not number.isdecimal():
        raise SettingsError(f"{word!r} is no count; write wasm=4")
    return name, int(number)


def _joins() -> bool:
    from wasmfleet.workers import supervisor

    return supervisor.running(settings()) is not None


def _sample() -> int:
    from wasmfleet.workers.cli import sample

    return sample.run(settings())


@contextlib.contextmanager
def _fleet(settings: Settings, counts: dict[str, int], say: "Say") -> "Iterator[Supervisor]":
    from wasmfleet.workers import data_folder, supervisor

    data_folder.refuse_shared(settings)
    entries = supervisor.entries(supervisor.procfile(), counts)
    with supervisor.claimed(settings, version()):
        running = supervisor.Supervisor(entries, grace_s=settings.hard_time_limit + 5, say=say)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            with _signals(running.stop):
                running.wait()


@contextlib.contextmanager
def temporary(settings: Settings) -> Iterator[None]:
    """A fleet for one job: no Flower, nothing printed, ended afterwards."""
    with _fleet(settings, {"flower": 0}, lambda name, line: None):
        _wait_for_workers(settings, threading.Event())
        yield


def _job(supervisor: "Supervisor", sample: bool, once: bool) -> int:
    stopped = threading.Event()
    with _signals(stopped.set):
        lines.say(f"starting the fleet; its data is in {_short(settings().data_dir)}{_elsewhere()}")
        _wait_for_workers(settings(), stopped)
        code = _sample() if sample and not stopped.is_set() else 0
        if not once:
            _tell_where(stopped)
            while not stopped.wait(_LOOK_S):
                pass
    lines.say("stopping the fleet: workers, Flower, broker")
    return code


def _elsewhere() -> str:
    if settings().embedded:
        return ""
    return f", its broker at {without_password(settings().broker_url)}"


def _short(path: Path) -> str:
    """A path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _tell_where(stopped: threading.Event) -> None:
    from wasmfleet.workers import addresses

    if not stopped.is_set():
        lines.say(f"the fleet is up; Flower: {addresses.flower(settings())}; Ctrl-C stops it")


def _wait_for_workers(settings: Settings, stopped: threading.Event) -> None:
    """Until a worker of each role has sent a heartbeat."""
    from wasmfleet.workers import broker as brokers
    from wasmfleet.workers.errors import BrokerUnavailable, RuntimeUnavailable

    try:
        brokers.wait(settings, _BROKER_S, stopped.is_set)
    except BrokerUnavailable:
        if stopped.is_set():
            return
        raise
    deadline = time.monotonic() + _WORKERS_S
    while not _both_beat(settings) and not stopped.is_set():
        if time.monotonic() > deadline:
            raise RuntimeUnavailable(
                "the workers did not start in time; `wasmfleet doctor` says what is wrong"
            )
        time.sleep(_LOOK_S)


def _both_beat(settings: Settings) -> bool:
    from redis import RedisError

    from wasmfleet.workers import presence, state

    with contextlib.suppress(RedisError), state.client(settings) as connection:
        return {"wasm", "python"} <= {worker.role for worker in presence.present(connection)}
    return False


@contextlib.contextmanager
def _signals(act: Callable[[], None]) -> Iterator[None]:
    def handle(_signal: int, _frame: Any) -> None:
        act()

    before = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _printed(name: str, line: str) -> None:
    colour = _COLOURS.get(name.partition(".")[0], "white")
    lines.say(line, err=True, before=typer.style(f"{name:<8} | ", fg=colour))


def _queues(role: str, settings: Settings) -> list[str]:
    from wasmfleet.config import celery as queues

    if role == "python":
        return queues.queues_of(queues.PYTHON, settings)
    return [*queues.queues_of(queues.WASM, settings), *queues.queues_of_any(settings)]


def _quiet() -> list[str]:
    level = f"--loglevel={settings().log_level}"
    return ["--without-mingle", "--without-gossip", f"--concurrency={settings().concurrency}", level]


def _become(module: str, *words: str) -> NoReturn:
    os.environ["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    os.execv(sys.executable, [sys.executable, "-m", module, "--app=wasmfleet.workers.app", "--quiet", *words])
