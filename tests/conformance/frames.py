"""Strategies for streams of several LZ4 frames or gzip members: skippable, empty, damaged, with every part of a header.

What the codecs' own encoders never write is built here by the formats: LZ4 frame format 1.6, RFC 1952.
"""

import struct
import zlib
from typing import Final

import lz4.block
import xxhash
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_LZ4: Final = 0x184D2204
_SKIPPABLE: Final = 0x184D2A50
_GZIP: Final = b"\x1f\x8b"
_UNCOMPRESSED: Final = 1 << 31
_VERSION, _INDEPENDENT, _BLOCK_SUMS, _SIZE, _CONTENT_SUM, _DICTIONARY = 64, 32, 16, 8, 4, 1
_HEADER_SUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16

_content: Final = st.binary(max_size=40) | st.builds(
    lambda data, times: data * times, st.binary(max_size=9), st.integers(0, 300)
)


def around(data: bytes) -> SearchStrategy[bytes]:
    """Draw streams with this data among other frames or members of its format; of any other format, the data itself."""
    if data[:2] == _GZIP:
        return _joined(st.just(data), members())
    magic = int.from_bytes(data[:4], "little")
    if magic == _LZ4 or magic - magic % 16 == _SKIPPABLE:
        return _joined(st.just(data), lz4_frames() | skippable_frames())
    return st.just(data)


def _joined(one: SearchStrategy[bytes], other: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    end = st.sampled_from([b"", b"", b"", b"\0", b"\0" * 8, b"\x04\x22\x4d", b"\x50\x2a\x4d\x18", _GZIP])
    return st.builds(lambda parts, tail: b"".join(parts) + tail, st.lists(one | other, max_size=4), end)


def skippable_frames() -> SearchStrategy[bytes]:
    """Draw frames of the sixteen kinds that a decoder must skip."""
    return st.builds(
        lambda kind, data: struct.pack("<II", _SKIPPABLE + kind, len(data)) + data,
        st.integers(0, 15),
        st.binary(max_size=20),
    )


@st.composite
def lz4_frames(draw: DrawFn) -> bytes:
    """Draw LZ4 frames with any of the header's flags, and blocks of which some hold nothing."""
    pieces = draw(st.lists(_content | st.just(b""), max_size=3))
    content = b"".join(pieces)
    flags = draw(st.sampled_from([_VERSION | _INDEPENDENT] * 3 + [_VERSION, _VERSION | 2, 128]))
    flags |= draw(st.sampled_from([0, 0, _BLOCK_SUMS])) | draw(st.sampled_from([0, _CONTENT_SUM]))
    optional = b""
    if draw(st.booleans()):
        flags |= _SIZE
        optional += struct.pack("<Q", draw(st.sampled_from([len(content)] * 3 + [0, len(content) + 1])))
    if not draw(st.integers(0, 7)):
        flags |= _DICTIONARY
        optional += struct.pack("<I", draw(st.integers(0, 9)))
    head = bytes([flags, draw(st.sampled_from([0x40] * 3 + [0x50, 0x70, 0x30, 0xC0]))]) + optional
    blocks = b"".join(_block(piece, draw(st.booleans()), flags) for piece in pieces)
    end = struct.pack("<I", 0) + (_sum(content) if flags & _CONTENT_SUM else b"")
    return struct.pack("<I", _LZ4) + head + _sum(head)[1:2] + blocks + end


def _block(data: bytes, is_raw: bool, flags: int) -> bytes:
    stored = data if is_raw else lz4.block.compress(data, store_size=False)
    size = len(stored) | (_UNCOMPRESSED if is_raw else 0)
    return struct.pack("<I", size) + stored + (_sum(stored) if flags & _BLOCK_SUMS else b"")


def _sum(data: bytes) -> bytes:
    return struct.pack("<I", xxhash.xxh32_intdigest(data))


@st.composite
def members(draw: DrawFn) -> bytes:
    """Draw gzip members with any of the header's fields."""
    data, flags = draw(_content), draw(st.sampled_from([0, _EXTRA, _NAME, _COMMENT, _HEADER_SUM, 30, 32]))
    head = bytes([*_GZIP, 8, flags, 0, 0, 0, 0, 0, 255])
    if flags & _EXTRA:
        extra = draw(st.binary(max_size=9))
        head += struct.pack("<H", len(extra)) + extra
    for field in (_NAME, _COMMENT):
        if flags & field:
            head += draw(st.sampled_from([b"", b"name", b"\xe4\xff", b"n" * 66_000])) + b"\0"
    if flags & _HEADER_SUM:
        head += struct.pack("<H", (zlib.crc32(head) + draw(st.sampled_from([0, 0, 1]))) & 0xFFFF)
    coder = zlib.compressobj(draw(st.integers(0, 9)), zlib.DEFLATED, -15)
    return head + coder.compress(data) + coder.flush() + struct.pack("<II", zlib.crc32(data), len(data))
