"""So that no process outlives the one that started it, not even when that one is killed outright."""

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
    """Make this process the parent of every descendant that loses its own, so that it can reap them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_group(group: int) -> bool:
    """Kill all of a process group and wait until it is gone; False when the kernel holds on to some."""
    deadline = time.monotonic() + _GONE_S
    while _signalled(group):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-group, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


class Lifeline:
    """A forked process that waits for this one to end and then kills the groups it was told of.

    The death signal alone does not do: it reaches a worker, not the children the worker forked.
    """

    def __init__(self) -> None:
        groups, self._tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._tell)
            _outlive(groups)
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


def _outlive(pipe: int) -> NoReturn:
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
