"""The start time of a process, in the kernel's ticks, which tells it from a later process with the same pid."""

from pathlib import Path


def started_ticks(pid: int) -> int:
    """Return when a process started; -1 for a zombie.

    Raises FileNotFoundError or ProcessLookupError where it is gone.
    """
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return -1 if state in "ZX" else int(fields[18])
