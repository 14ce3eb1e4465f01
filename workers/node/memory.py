"""How much memory this process may have: its end is a MemoryError in what asks for more, not the machine's."""

import resource
from pathlib import Path

from wasmfleet.config.settings import MIB


def allow(mebibytes: int) -> None:
    """From now on this process may take so much private memory beside what it has.

    RLIMIT_DATA counts what can be written (Linux 4.7 and later); a sandbox reserves addresses it never uses, which
    RLIMIT_AS would count. Where /proc is not mounted nothing is limited.
    """
    used = data_bytes()
    if used is not None:
        most = used + mebibytes * MIB
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def data_bytes() -> int | None:
    """What RLIMIT_DATA counts of this process; None where that cannot be read."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()
