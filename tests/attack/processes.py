"""A worker's processes as the kernel sees them: who lives, how much memory they took, how many files are open."""

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
    """All processes below one."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def resident_mib(pid: int, field: str = "VmRSS") -> int:
    """Resident memory now, or with `VmHWM` at its peak; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) // 1024
    return 0


def forget_peak(pid: int) -> None:
    """Lets the peak count from now."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def open_files(pid: int) -> int:
    """How many descriptors a process has."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


class Watch:
    """Looks at workers all the time: notes the peaks of children, and kills what would take this machine's memory."""

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
        """Forgets the peaks; from now on these are watched."""
        for pid in (pid for main in mains for pid in (main, *descendants(main))):
            forget_peak(pid)
        self.mains, self.killed, self._children_mib = mains, [], 0

    def main_peak_mib(self) -> int:
        """The highest peak of a main process since the beginning."""
        return max((resident_mib(pid, "VmHWM") for pid in self.mains), default=0)

    def children_peak_mib(self) -> int:
        """The highest peak of a process below, ended ones included."""
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
