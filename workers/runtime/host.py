"""What the host gives: whether it has the address space and the memory that a guest needs, asked of the kernel."""

import mmap
import resource
from typing import Final

from wasmfleet.config.settings import MIB
from wasmfleet.workers.node import memory

_PRIVATE: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def lacks_address_space(wanted_bytes: int) -> str:
    """Return why the host cannot reserve so much for this process, or "" where it can. Nothing stays reserved."""
    if _gives(wanted_bytes, writable=False):
        return ""
    given, refused = 0, wanted_bytes
    while refused - given > MIB:
        middle = (given + refused) // 2
        given, refused = (middle, refused) if _gives(middle, writable=False) else (given, middle)
    return f"the host gives {given // MIB:,} MiB address space, {-(-wanted_bytes // MIB):,} are needed"


def lacks_memory(wanted_bytes: int) -> str:
    """Return why the host cannot give this process so much more memory, or "" where it can.

    The limit that a child sets itself (node/memory.py) is not the host's: who meets it has taken its share.
    """
    if wanted_bytes <= 0 or _gives(wanted_bytes, writable=True) or _is_over_own_limit(wanted_bytes):
        return ""
    return f"the host does not give the {-(-wanted_bytes // MIB):,} MiB of memory that a guest may still take"


def _is_over_own_limit(wanted_bytes: int) -> bool:
    used, (own, hosts) = memory.data_bytes(), resource.getrlimit(resource.RLIMIT_DATA)
    if used is None or own == resource.RLIM_INFINITY:
        return False
    return used + wanted_bytes > own and (hosts == resource.RLIM_INFINITY or used + wanted_bytes <= hosts)


def _gives(size: int, *, writable: bool) -> bool:
    """Whether the kernel maps so much for this process, and unmap it again; what is not touched costs nothing."""
    access = mmap.PROT_READ | mmap.PROT_WRITE if writable else 0
    try:
        mmap.mmap(-1, size, flags=_PRIVATE, prot=access).close()
    except (OSError, OverflowError, MemoryError):
        return False
    return True
