"""`wasmfleet up`: run the whole fleet of this node until Ctrl-C."""

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wasmfleet.config.settings import SettingsError, settings, without_password
from wasmfleet.workers import log_lines
from wasmfleet.workers.cli import lines, running
from wasmfleet.workers.node import valkey_log

if TYPE_CHECKING:
    from wasmfleet.workers.node.supervisor import Supervisor

_LOOK_S: Final = 0.1
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_COLOURS: Final = {"broker": "magenta", "wasm": "cyan", "python": "yellow", "flower": "green"}


def up(
    scale: Annotated[
        list[str] | None,
        typer.Argument(help="How many processes of a kind to run, such as wasm=4.", show_default=False),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Put real files through the fleet.")] = False,
    once: Annotated[bool, typer.Option("--once", help="With --sample: stop after the sample.")] = False,
) -> None:
    """Start the fleet: the broker, accelerated and plain-Python workers, and Flower.

    A process that exits is started again. Ctrl-C stops everything in order and leaves no process behind.
    """
    if once and not sample:
        raise SettingsError("--once can only be used together with --sample")
    counts = _counts(scale or [])
    if sample and _is_running():
        lines.say("a fleet is already running; the sample uses it and leaves it running")
        raise typer.Exit(_sample(stays=True))
    with running.fleet(settings(), counts, _printed) as supervisor:
        code = _job(supervisor, sample, once)
    raise typer.Exit(code)


def _counts(words: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if not _NUMBER.fullmatch(number):
            raise SettingsError(f"{word[:80]!r} is not a number of processes; write for example wasm=4")
        if name in counts:
            raise SettingsError(f"{name} is given twice: {name}={counts[name]} and {word}")
        counts[name] = int(number)
    return counts


def _is_running() -> bool:
    from wasmfleet.workers.node import supervisor

    return supervisor.running(settings()) is not None


def _sample(*, stays: bool) -> int:
    from wasmfleet.workers.cli import sample

    return sample.run(settings(), stays=stays)


def _job(supervisor: "Supervisor", sample: bool, once: bool) -> int:
    stopped = threading.Event()
    with running.signals(stopped.set):
        _say(f"starting the fleet; its data is in {_short(settings().data_dir)}{_elsewhere()}")
        running.wait_for_workers(settings(), supervisor.kinds, stopped)
        code = _sample(stays=not once) if sample and not stopped.is_set() else 0
        if not once:
            _tell_where(supervisor, stopped)
            while not stopped.wait(_LOOK_S):
                pass
    _say("stopping the fleet: workers, Flower, broker")
    return code


def _elsewhere() -> str:
    if settings().embedded:
        return ""
    return f", its broker at {without_password(settings().broker_url)}"


def _short(path: Path) -> str:
    """Write a path with `~` for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _tell_where(supervisor: "Supervisor", stopped: threading.Event) -> None:
    from wasmfleet.workers.node import addresses

    if not stopped.is_set():
        pages = f"Flower: {addresses.flower(settings())}; " if "flower" in supervisor.kinds else ""
        _say(f"the fleet is up; {pages}Ctrl-C stops it")


def _say(text: str) -> None:
    """Tell what becomes of the fleet, in the form of its log."""
    lines.say(log_lines.of_other(settings(), "up", text))


def _printed(name: str, line: str) -> None:
    kind = name.partition(".")[0]
    colour = _COLOURS.get(kind, "white")
    told = valkey_log.retold(line) if kind == "broker" else line
    if told and settings().log_format == "json":
        lines.say(log_lines.of_other(settings(), name, told), err=True)
    elif told:
        lines.say(told, err=True, before=typer.style(f"{name:<8} | ", fg=colour))
