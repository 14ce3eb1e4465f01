"""A worker's processes as the kernel reports them: which are alive, their memory and their open files."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Final

from tests.chaos.fleet import children

_RESET_PEAK: Final = "5"  # proc(5), clear_refs: the peak of resident memory becomes what it is now
_LOOK_S: Final = 0.02
KILLED_ABOVE_MIB: Final = 2_500


def descendants(pid: int) -> list[int]:
    """Return the pids of a process's children, their children, and so on."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def resident_mib(pid: int, field: str = "VmRSS") -> int:
    """Return the resident memory of a process, now or with `VmHWM` at its peak; 0 if the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) // 1024
    return 0


def forget_peak(pid: int) -> None:
    """Let the peak of a process's resident memory count from now on."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has open; 0 if it is gone."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


class Watch:
    """A thread that notes the peak memory of workers' children, and kills what would use up this machine's memory."""

    def __init__(self) -> None:
        self.mains: tuple[int, ...] = ()
        self.killed: list[int] = []
        self._children_mib = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, mains: tuple[int, ...]) -> None:
        """Forget the peaks, and watch these main processes and their children from now on."""
        for pid in (pid for main in mains for pid in (main, *descendants(main))):
            forget_peak(pid)
        self.mains, self.killed, self._children_mib = mains, [], 0

    def main_peak_mib(self) -> int:
        """Return the highest peak of a main process since `begin`."""
        return max((resident_mib(pid, "VmHWM") for pid in self.mains), default=0)

    def children_peak_mib(self) -> int:
        """Return the highest peak of a child since `begin`, including children that have ended."""
        self._look()
        return self._children_mib

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        for main in self.mains:
            self._spare_the_machine(main)
            for pid in descendants(main):
                self._children_mib = max(self._children_mib, resident_mib(pid, "VmHWM"))
                self._spare_the_machine(pid)

    def _spare_the_machine(self, pid: int) -> None:
        if resident_mib(pid) > KILLED_ABOVE_MIB:
            self.killed.append(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
