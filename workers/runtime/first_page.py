"""Give a module whose memory begins empty its first page before it is compiled.

A guest's memory does not move, and Wasmtime (50.0) reserves room to grow only for a memory that begins with more bytes
than `memory_reservation`, which is 0 here: an empty one could never grow. AssemblyScript makes such modules. The guest
sees one page more from its start, as if its linker had asked for it.
"""

from typing import Final

from wasmfleet.workers.runtime.binary import MEMORIES, Sections

_HAS_MAXIMUM: Final = 1


def given(data: bytes) -> bytes:
    """Return the module's bytes, with a minimum of one page where it was none. Raises BadBinary."""
    memories = Sections(data).known(MEMORIES)
    if memories.count(1) == 0:
        return data
    flags, at = memories.byte(), memories.at
    minimum = memories.number()
    most = memories.number() if flags & _HAS_MAXIMUM else 1
    if minimum or not most:
        return data
    # The number's lowest bits stand in its first byte, however many bytes it is padded to.
    return data[:at] + bytes([data[at] | 1]) + data[at + 1 :]
