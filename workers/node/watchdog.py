"""A watchdog process that kills the processes of a fleet when their supervisor dies, even if by SIGKILL."""

import contextlib
import ctypes
import os
import signal
import time
from typing import Final, NoReturn

_PR_SET_CHILD_SUBREAPER: Final = 36
_GONE_S: Final = 5.0
_POLL_S: Final = 0.01
_libc: Final = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the new parent of every descendant whose parent dies, so that it can reap them (prctl(2))."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_group(group: int) -> bool:
    """Kill all of a process group and wait until it is gone; False where some of it is still there after 5 s."""
    deadline = time.monotonic() + _GONE_S
    while _signalled(group):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-group, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


class Watchdog:
    """A forked process that waits for this one to end and then kills the process groups that were added to it.

    A parent-death signal (PR_SET_PDEATHSIG) would not be enough: it reaches a worker, but not the worker's children.
    """

    def __init__(self) -> None:
        groups, self._tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._tell)
            _watch(groups)
        os.close(groups)

    def add(self, group: int) -> None:
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        self._write(f"-{group}\n")

    def close(self) -> None:
        os.close(self._tell)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _write(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._tell, line.encode())


def _watch(pipe: int) -> NoReturn:
    """Run in the forked process: read group ids until the pipe closes, which the end of the other process causes."""
    os.setsid()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(name, signal.SIG_IGN)
    groups: set[int] = set()
    with open(pipe, "rb", buffering=0) as lines:
        for line in lines:
            (groups.add if line.startswith(b"+") else groups.discard)(int(line[1:]))
    for group in groups:
        end_group(group)
    os._exit(0)


def _signalled(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
