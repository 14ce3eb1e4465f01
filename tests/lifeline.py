"""Processes that end with the tests, also when pytest is killed, or interrupted while it runs in parallel."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wasmfleet.workers.node.watchdog import end_group


def start(command: Sequence[str | Path], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process in a new session; its group ends with the test process, however that one ends."""
    process: subprocess.Popen[bytes] = subprocess.Popen(command, start_new_session=True, **options)
    _tell(f"+{process.pid}\n")
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the process's group, and wait until the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _tell(f"-{process.pid}\n")  # the kernel may give this number to another group


def _tell(line: str) -> None:
    pipe = _watcher().stdin
    assert pipe
    with contextlib.suppress(BrokenPipeError):
        pipe.write(line.encode())


@functools.cache
def _watcher() -> "subprocess.Popen[bytes]":
    """Start the process that watches this one: its input closes when this one ends, however that happens."""
    command = [sys.executable, "-m", "tests.lifeline"]
    root = Path(__file__).parents[1]
    return subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True, cwd=root)


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    for group in groups:
        end_group(group)


if __name__ == "__main__":
    main()
