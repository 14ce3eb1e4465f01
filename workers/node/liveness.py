"""The start time of a process, in the kernel's ticks, which tells it from a later process with the same pid."""

import os
from pathlib import Path
from typing import Final

UNKNOWN: Final = -1


def is_running(pid: int, ticks: int) -> bool:
    """Whether the process that started then still runs. Where /proc is not mounted, one with the same pid will do."""
    try:
        return started_ticks(pid) == ticks != UNKNOWN
    except OSError:
        return has_no_proc() and _exists(pid)


def has_no_proc() -> bool:
    """Whether /proc is not mounted, so that nothing can be read about processes."""
    return not Path("/proc/self/stat").exists()


def started_ticks(pid: int) -> int:
    """Return when a process started; UNKNOWN for a zombie.

    Raises FileNotFoundError or ProcessLookupError where it is gone.
    """
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return UNKNOWN if state in "ZX" else int(fields[18])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
