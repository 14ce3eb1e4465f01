"""The supervisor of a fleet: starts the processes of the Procfile, restarts those that exit, and stops all in order."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import IO, Final

from honcho.environ import parse_procfile

from wasmfleet.config.settings import Settings, SettingsError
from wasmfleet.workers.node import pidfiles
from wasmfleet.workers.node.watchdog import Watchdog, adopt_orphans, end_group

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
_STEADY_S: Final = 10.0
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.1
_LINE_BYTES: Final = 100_000  # a longer line is cut into several
_STOPPED_LAST: Final = ("flower", "broker")
#: Processes of which a fleet has one at most, and why a second one would be of no use.
_SINGLE: Final = {"broker": "two cannot share its data", "flower": "one shows all workers"}
_MOST_OF_A_KIND: Final = 64

Say = Callable[[str, str], None]


class FleetRecord(pidfiles.Record, frozen=True, kw_only=True):
    """The record of the fleet that runs on a data folder, which a second `wasmfleet up` reads."""

    version: str


@dataclass(slots=True)
class Entry:
    """One process of the Procfile: its command, and its state. Times are monotonic seconds."""

    name: str
    words: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    start_at: float = 0.0


def procfile() -> dict[str, str]:
    """Read the packaged Procfile: the command of each process by its name."""
    text = resources.files("wasmfleet").joinpath("Procfile").read_text()
    return dict(parse_procfile(text).processes)


def entries(commands: Mapping[str, str], scale: Mapping[str, int]) -> list[Entry]:
    """List the processes to run: one of each kind, or as many as `scale` says.

    Raises SettingsError for an unknown kind, for more of a kind than a fleet can have, and for no process at all.
    """
    for name, count in scale.items():
        _check_count(name, count, list(commands))
    if not any(scale.get(name, 1) for name in commands):
        raise SettingsError("there is nothing to run: every kind of process is set to 0")
    made = []
    for name, command in commands.items():
        count = scale.get(name, 1)
        names = [name] if count == 1 else [f"{name}.{number}" for number in range(1, count + 1)]
        made += [Entry(name, _words(command)) for name in names]
    return made


def _check_count(name: str, count: int, known: list[str]) -> None:
    if name not in known:
        raise SettingsError(f"the Procfile has no process {name!r}; it has {', '.join(known)}")
    if count > 1 and name in _SINGLE:
        raise SettingsError(f"{name}={count}: a fleet has one {name} at most, because {_SINGLE[name]}")
    if count > _MOST_OF_A_KIND:
        more = "WASMFLEET_CONCURRENCY sets how many calls each of them runs at once"
        raise SettingsError(
            f"{name}={count}: `wasmfleet up` runs at most {_MOST_OF_A_KIND} of a kind; {more}"
        )


def running(settings: Settings) -> FleetRecord | None:
    """Return the record of the fleet that runs on this data folder, or None."""
    return pidfiles.owner(settings.data_dir / "fleet.json", FleetRecord)


@dataclass(slots=True)
class Supervisor:
    """Starts processes and keeps them running until `stop`.

    `say(name, line)` gets each line that a process prints, and what happens to it. `grace_s` is how long workers may
    take to stop before they are killed.
    """

    entries: list[Entry]
    grace_s: float
    say: Say
    _stopping: threading.Event = field(default_factory=threading.Event)
    _hurried: threading.Event = field(default_factory=threading.Event)
    _watchdog: Watchdog | None = None
    _thread: threading.Thread | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the processes that this supervisor runs."""
        return frozenset(map(_kind, self.entries))

    def start(self) -> None:
        adopt_orphans()
        self._watchdog = Watchdog()
        self._thread = threading.Thread(target=self._run, name="wasmfleet-supervisor")
        self._thread.start()

    def stop(self) -> None:
        """Begin to end everything in order: workers, Flower, broker. A second call shortens the workers' grace."""
        (self._hurried if self._stopping.is_set() else self._stopping).set()

    def wait(self) -> None:
        """Wait until everything has ended."""
        while self._thread and self._thread.is_alive():
            self._thread.join(_LOOK_S)
        if self._watchdog:
            self._watchdog.close()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            for entry in self.entries:
                self._look_after(entry)
        self._end([entry for entry in self.entries if _kind(entry) not in _STOPPED_LAST], self.grace_s)
        for kind in _STOPPED_LAST:
            self._end([entry for entry in self.entries if _kind(entry) == kind], _STOP_S)

    def _look_after(self, entry: Entry) -> None:
        if entry.process is not None and entry.process.poll() is not None:
            self._clear(entry)
        if entry.process is None and time.monotonic() >= entry.start_at:
            try:
                self._start(entry)
            except (OSError, RuntimeError) as error:  # no such command, or no memory, process or thread left
                self._postpone(entry, f"cannot be started: {error}")

    def _start(self, entry: Entry) -> None:
        entry.process = subprocess.Popen(
            entry.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        entry.started = time.monotonic()
        assert self._watchdog
        assert entry.process.stdout
        self._watchdog.add(entry.process.pid)
        reader = threading.Thread(target=self._relay, args=(entry.name, entry.process.stdout), daemon=True)
        reader.start()

    def _relay(self, name: str, output: IO[bytes]) -> None:
        with output:
            for line in iter(lambda: output.readline(_LINE_BYTES), b""):
                self.say(name, line.decode(errors="replace").rstrip())

    def _clear(self, entry: Entry) -> None:
        """Clear up after a process that has exited. One that ran for a while starts again without a longer pause."""
        assert entry.process
        if time.monotonic() - entry.started > _STEADY_S:
            entry.pause_s = FIRST_PAUSE_S
        self._postpone(entry, _ended(entry.process.returncode))

    def _postpone(self, entry: Entry, why: str) -> None:
        """End what is left of a process, and set the time of its next start."""
        if entry.process and self._watchdog:
            end_group(entry.process.pid)
            self._watchdog.remove(entry.process.pid)
        self.say(entry.name, f"{why}; starts again in {entry.pause_s:g} s")
        entry.process, entry.start_at = None, time.monotonic() + entry.pause_s
        entry.pause_s = min(entry.pause_s * 2, LONGEST_PAUSE_S)

    def _end(self, ending: list[Entry], grace_s: float) -> None:
        alive = [entry for entry in ending if entry.process is not None]
        for entry in alive:
            entry.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        deadline = time.monotonic() + grace_s
        while any(e.process.poll() is None for e in alive if e.process) and time.monotonic() < deadline:
            if self._hurried.wait(_LOOK_S):
                deadline = min(deadline, time.monotonic() + _STOP_S / 5)
        for entry in alive:
            assert entry.process
            assert self._watchdog
            end_group(entry.process.pid)
            entry.process.wait()
            self._watchdog.remove(entry.process.pid)
            entry.process = None


@contextlib.contextmanager
def claimed(settings: Settings, version: str) -> Iterator[None]:
    """Hold the lock under which a fleet runs on this data folder. Raises SettingsError where another one runs."""
    record = settings.data_dir / "fleet.json"
    held = pidfiles.lock(settings.data_dir / "fleet.lock", record)
    if held is None:
        other = running(settings)
        who = f" (pid {other.pid}, version {other.version})" if other else ""
        raise SettingsError(
            f"a fleet already runs on {settings.data_dir}{who}; stop it, or set another WASMFLEET_DATA_DIR"
        )
    try:
        pidfiles.publish(record, FleetRecord.of_this_process(version=version))
        yield
    finally:
        record.unlink(missing_ok=True)
        os.close(held)


def _words(command: str) -> list[str]:
    """Split a command of the Procfile; `wasmfleet` is run from this environment, whatever PATH says."""
    first, *others = shlex.split(command)
    return (
        [sys.executable, "-m", "wasmfleet", *others] if Path(first).name == "wasmfleet" else [first, *others]
    )


def _kind(entry: Entry) -> str:
    return entry.name.partition(".")[0]


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
