"""`wasmfleet up` as a process, and ways to find the processes that it started."""

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
    """Run `wasmfleet up` until its workers have sent heartbeats, and end it afterwards."""
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
    """Return the command lines of the live processes that belong to a data folder, by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"WASMFLEET_DATA_DIR={data}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = command_line_of(int(folder.name))
    return found


def command_line_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def broker_pid(data: Path) -> int:
    """Return the embedded broker's pid from its file.

    `processes_of` cannot find it: the broker's process title overwrites its environment.
    """
    pid: int = json.loads((data / "broker.json").read_bytes())["pid"]
    return pid


def pid_of(data: Path, words: str) -> int:
    """Return the pid of the outermost process whose command contains these words, or 0."""
    return min((pid for pid, command in processes_of(data).items() if words in command), default=0)
