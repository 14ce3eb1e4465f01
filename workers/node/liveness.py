"""Whether a pid is still the process it was: its start, in the kernel's ticks, tells it from a later one."""

from pathlib import Path


def started_ticks(pid: int) -> int:
    """When the process started; -1 for a zombie. For one that is gone, FileNotFoundError or ProcessLookupError."""
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return -1 if state in "ZX" else int(fields[18])
