"""Compress and decompress with zlib, brotli and lz4, piece by piece so that a bomb stops at its limit."""

import sys
import zlib
from typing import Any, Final

import brotli
import lz4.frame

from wasmfleet.workers.errors import CorruptData, InvalidArguments, OutputTooLarge

_WINDOW_BITS: Final = {"gzip": 31, "deflate": -15, "zlib": 15}
_LEVELS: Final = {
    "gzip": (0, 9, 6),
    "deflate": (0, 9, 6),
    "zlib": (0, 9, 6),
    "brotli": (0, 11, 5),
    "lz4": (0, 12, 0),
}
_CHUNK_BYTES: Final = 1 << 16
_LARGEST_SIZE: Final = sys.maxsize - 1  # the codecs count in a C type, up to one byte more than is allowed
# Estimated nanoseconds a byte, in the order of cost; wasm_src/compression/src/best.rs has the same table.
_CANDIDATES: Final = [
    ("lz4", 0, 4.0),
    ("brotli", 1, 12.0),
    ("gzip", 1, 15.0),
    ("deflate", 1, 15.0),
    ("zlib", 1, 15.0),
    ("gzip", 6, 40.0),
    ("deflate", 6, 40.0),
    ("zlib", 6, 40.0),
    ("brotli", 5, 60.0),
    ("gzip", 9, 90.0),
    ("deflate", 9, 90.0),
    ("zlib", 9, 90.0),
    ("brotli", 9, 200.0),
    ("brotli", 11, 2500.0),
]


def compress(data: bytes, codec: str, level: int | None) -> bytes:
    lowest, highest, usual = _LEVELS[codec]
    chosen = usual if level is None else level
    if not lowest <= chosen <= highest:
        raise InvalidArguments(f"level: {chosen} is not from {lowest} to {highest}")
    return _compressed(data, codec, chosen)


def _compressed(data: bytes, codec: str, level: int) -> bytes:
    if codec in _WINDOW_BITS:
        stream = zlib.compressobj(level, zlib.DEFLATED, _WINDOW_BITS[codec])
        return stream.compress(data) + stream.flush()
    if codec == "brotli":
        small: bytes = brotli.compress(data, quality=level)
        return small
    framed: bytes = lz4.frame.compress(data, compression_level=level, content_checksum=True, store_size=False)
    return framed


def best(data: bytes, codecs: list[Any], budget_ms: float) -> Any:
    if not codecs:
        raise InvalidArguments("codecs: name at least one codec")
    results = [
        (codec, level, _compressed(data, codec, level))
        for codec, level in _affordable(data, codecs, budget_ms)
    ]
    codec, level, smallest = min(results, key=lambda result: len(result[2]))
    tried = [{"codec": codec, "level": level, "size": len(result)} for codec, level, result in results]
    return {"codec": codec, "level": level, "data": smallest, "tried": tried}


def _affordable(data: bytes, codecs: list[Any], budget_ms: float) -> list[tuple[str, int]]:
    """Choose the attempts: the cheapest always, then more while the estimates fit the budget."""
    wanted = [candidate for candidate in _CANDIDATES if candidate[0] in codecs]
    wanted.sort(key=lambda candidate: (candidate[2], codecs.index(candidate[0])))
    chosen: list[tuple[str, int]] = []
    spent_ms = 0.0
    for codec, level, cost in wanted:
        spent_ms += cost * len(data) / 1e6
        if chosen and spent_ms > budget_ms:
            break
        chosen.append((codec, level))
    return chosen


def decompress(data: bytes, codec: str, max_size: int) -> bytes:
    if max_size < 0:
        raise InvalidArguments(f"max_size: {max_size} is below 0")
    max_size = min(max_size, _LARGEST_SIZE)
    if not data:
        raise _corrupt("it is empty", 0)
    if codec in _WINDOW_BITS:
        return _inflate(data, codec, max_size)
    return _unbrotli(data, max_size) if codec == "brotli" else _unlz4(data, max_size)


def _inflate(data: bytes, codec: str, max_size: int) -> bytes:
    output = bytearray()
    rest = data
    while True:
        stream = zlib.decompressobj(_WINDOW_BITS[codec])
        start = len(data) - len(rest)
        try:
            output += stream.decompress(rest, max_size - len(output) + 1)
        except zlib.error as error:
            raise _corrupt(str(error), start) from None
        _bounded(output, max_size)
        if not stream.eof:
            raise _corrupt("it ends too early", len(data))
        rest = stream.unused_data
        if not rest:
            return bytes(output)
        if codec != "gzip":
            raise _corrupt("there is more after its end", len(data) - len(rest))


def _unbrotli(data: bytes, max_size: int) -> bytes:
    stream, output = brotli.Decompressor(), bytearray()
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            _drain(stream, data[start : start + _CHUNK_BYTES], output, max_size)
    except brotli.error as error:
        raise _corrupt(str(error), 0) from None
    if not stream.is_finished():
        raise _corrupt("it ends too early", len(data))
    return bytes(output)


def _drain(stream: Any, chunk: bytes, output: bytearray, max_size: int) -> None:
    """Append all that the decoder gives for a chunk of input, a chunk of output at a time."""
    more = stream.process(chunk, output_buffer_limit=_CHUNK_BYTES)
    output += more
    while more and not stream.is_finished():
        _bounded(output, max_size)
        more = stream.process(b"", output_buffer_limit=_CHUNK_BYTES)
        output += more
    _bounded(output, max_size)


def _unlz4(data: bytes, max_size: int) -> bytes:
    output = bytearray()
    rest = data
    while rest:
        more, rest = _unlz4_frame(rest, len(data) - len(rest), max_size - len(output))
        output += more
    return bytes(output)


def _unlz4_frame(data: bytes, start: int, max_size: int) -> tuple[bytes, bytes]:
    stream = lz4.frame.LZ4FrameDecompressor()
    try:
        output = stream.decompress(data, max_length=max_size + 1)
    except RuntimeError as error:
        raise _corrupt(str(error), start) from None
    _bounded(output, max_size)
    if not stream.eof:
        raise _corrupt("it ends too early", start + len(data))
    return output, stream.unused_data or b""


def _bounded(output: bytes | bytearray, max_size: int) -> None:
    if len(output) > max_size:
        raise OutputTooLarge(f"the data is over max_size, {max_size} bytes")


def _corrupt(reason: str, offset: int) -> CorruptData:
    return CorruptData(f"data: does not decode: {reason}", {"offset": offset})
