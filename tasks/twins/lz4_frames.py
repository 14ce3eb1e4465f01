"""Find where LZ4 frames end (frame format 1.6), and refuse what liblz4 would take and the sandbox does not."""

import struct
from typing import Final

from wasmfleet.workers.errors import CorruptData

_MAGIC: Final = 0x184D2204
_LEGACY: Final = 0x184C2102
_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_SKIPPABLE_HEADER_BYTES: Final = 8
_HEADER_BYTES: Final = 7
_BLOCK_CHECKSUM, _CONTENT_SIZE, _CONTENT_CHECKSUM, _DICTIONARY = 1 << 4, 1 << 3, 1 << 2, 1
_UNCOMPRESSED: Final = 1 << 31


def is_skippable(data: bytes, start: int) -> bool:
    """Tell whether the frame at `start` holds an application's own bytes, which are no part of the data."""
    return _word(data, start) in _SKIPPABLE


def end(data: bytes, start: int) -> int:
    """Return where the frame at `start` ends. Raises CorruptData."""
    magic = _word(data, start)
    if magic in _SKIPPABLE:
        return _within(data, start + _SKIPPABLE_HEADER_BYTES + _word(data, start + 4))
    if magic == _LEGACY:
        raise corrupt("a legacy LZ4 frame is not read", start)
    if magic != _MAGIC:
        raise corrupt("it does not begin as an LZ4 frame", start)
    return _end_of_blocks(data, start)


def check_size(data: bytes, start: int, size_bytes: int) -> None:
    """Refuse a frame whose header states a size of 0 and that holds more; liblz4 takes 0 for an unknown size."""
    states_it = data[start + 4] & _CONTENT_SIZE
    if states_it and not any(data[start + 6 : start + 14]) and size_bytes:
        raise corrupt("it holds more than its header states", start)


def corrupt(reason: str, offset: int) -> CorruptData:
    return CorruptData(f"data: does not decode: {reason}", {"offset": offset})


def _end_of_blocks(data: bytes, start: int) -> int:
    flags = data[_within(data, start + 5) - 1]
    if flags & _DICTIONARY:
        raise corrupt("it needs a dictionary", start)
    at = start + _HEADER_BYTES + (8 if flags & _CONTENT_SIZE else 0)
    checksum_bytes = 4 if flags & _BLOCK_CHECKSUM else 0
    while size := _word(data, at):
        at += 4 + (size & ~_UNCOMPRESSED) + checksum_bytes
    return _within(data, at + 4 + (4 if flags & _CONTENT_CHECKSUM else 0))


def _word(data: bytes, at: int) -> int:
    """Read four bytes, lowest first."""
    word: int = struct.unpack("<I", data[at : _within(data, at + 4)])[0]
    return word


def _within(data: bytes, at: int) -> int:
    if at > len(data):
        raise corrupt("it ends too early", len(data))
    return at
