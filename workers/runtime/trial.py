"""Try out the modules as a child would, in a process of its own: `python -m wasmfleet.workers.runtime.trial`.

A worker's main process may make no engine, because it forks. So it cannot find out itself whether this host lets a
module be loaded and gives a guest its memory.
"""

import mmap
import signal
import subprocess
import sys
import time
from typing import Final

import msgspec

from wasmfleet.config.settings import settings
from wasmfleet.workers.node import memory
from wasmfleet.workers.runtime import host
from wasmfleet.workers.runtime.modules import Modules, NotReady, State, files
from wasmfleet.workers.safe_text import shown

AGAIN_S: Final = 8.0
_PATIENCE_S: Final = 60.0
#: Address space that a child takes beyond this process: Celery, stacks of threads, messages and results.
_CHILDS_OWN_BYTES: Final = 160 << 20
_Failures = dict[str, tuple[State, str]]


class Trial:
    """The trials of a worker's main process, one after the other. Not thread-safe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._tried: frozenset[str] = frozenset()
        self._failed: _Failures = {}
        self._began = 0.0

    def failed(self, ready: frozenset[str]) -> _Failures:
        """Return the state and the reason of each module that seems `ready` and has failed in the last trial.

        It waits for nothing. Another trial begins where others seem ready than were tried, and after a failure every
        `AGAIN_S` seconds.
        """
        self._collect()
        is_due = bool(self._failed) and time.monotonic() - self._began > AGAIN_S
        if self._process is None and ready and (ready != self._tried or is_due):
            self._start(ready)
        return {name: failure for name, failure in self._failed.items() if name in ready}

    def end(self) -> None:
        """End a trial that is under way, so that no process is left behind; any thread may call it."""
        if (process := self._process) is not None:
            process.kill()
            process.wait()

    def _start(self, ready: frozenset[str]) -> None:
        self._tried, self._began = ready, time.monotonic()
        command = [sys.executable, "-m", __name__]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            self._fail_all(f"the host cannot start a process: {error.strerror}")

    def _collect(self) -> None:
        """Take what a trial has found, if one has ended; end one that takes too long."""
        if self._process is None:
            return
        if self._process.poll() is None:
            if time.monotonic() - self._began > _PATIENCE_S:
                self._process.kill()
            return
        found, said = self._process.communicate()
        code, self._process = self._process.returncode, None
        try:
            self._failed = msgspec.json.decode(found, type=_Failures)
        except msgspec.MsgspecError:
            self._fail_all(f"a process that tried the modules out {_end(code, said)}")

    def _fail_all(self, reason: str) -> None:
        self._failed = dict.fromkeys(self._tried, ("failed", reason))


def _end(code: int, said: bytes) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    return f"ended with {code}: {shown(last)[:200]}"


def main() -> None:
    """Write as JSON which modules cannot serve here, each with its state and the reason."""
    memory.allow_child(settings())
    sys.stdout.buffer.write(msgspec.json.encode(_failures()))


def _failures() -> _Failures:
    try:
        childs_own = mmap.mmap(-1, _CHILDS_OWN_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)
    except OSError:
        return dict.fromkeys(files(settings()), ("failed", host.lacks_address_space(_CHILDS_OWN_BYTES)))
    failed: _Failures = {}
    with childs_own:
        tried = Modules(settings(), memory.guest_bytes(settings()))
        for name in files(settings()):
            try:
                tried.ready(name)
            except NotReady as error:
                failed[name] = error.state, str(error)
    return failed


if __name__ == "__main__":
    main()
