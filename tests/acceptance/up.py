"""`wasmfleet up` as a process, and the processes that it has started."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import lifeline
from tests.acceptance.installation import Installation, until


@contextlib.contextmanager
def up(fleet: Installation, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A running `wasmfleet up`, whose workers have sent heartbeats."""
    with (fleet.folder / "up.log").open("wb") as output:
        process = lifeline.start(
            [sys.executable, "-m", "wasmfleet", "up", *words],
            env=fleet.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "the fleet is up" in fleet.output(), what="the fleet is up", log=fleet.output)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        lifeline.end(process)


def processes_of(data: Path) -> dict[int, str]:
    """Live processes that belong to a data folder, by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"WASMFLEET_DATA_DIR={data}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = command_line_of(int(folder.name))
    return found


def command_line_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def broker_pid(data: Path) -> int:
    """The embedded broker's pid: its title covers the environment by which the others are found."""
    pid: int = json.loads((data / "broker.json").read_bytes())["pid"]
    return pid


def pid_of(data: Path, words: str) -> int:
    """The pid of the outermost process whose command has these words, 0 without one."""
    return min((pid for pid, command in processes_of(data).items() if words in command), default=0)
