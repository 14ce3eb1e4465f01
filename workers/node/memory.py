"""A limit on the memory of this process: asking for more raises a MemoryError, long before the machine runs out."""

import resource
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import MIB

#: MiB that a child may have beside the memory of its guests: arguments, results, machine code.
CHILDS_OWN_MIB: Final = 512


def allow(mebibytes: int) -> None:
    """Allow this process so much private memory beyond what it has now.

    It sets RLIMIT_DATA, which counts writable memory (Linux 4.7 and later). RLIMIT_AS would also count the addresses
    that a sandbox reserves and never uses. Where /proc is not mounted, nothing is limited.
    """
    used = data_bytes()
    if used is not None:
        most = used + mebibytes * MIB
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def data_bytes() -> int | None:
    """Return the bytes of this process that RLIMIT_DATA counts; None where they cannot be read."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()
