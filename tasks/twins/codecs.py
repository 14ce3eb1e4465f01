"""Compress and decompress with zlib, brotli and lz4, piece by piece so that a bomb stops at its limit."""

import zlib
from typing import Any, Final

import brotli
import lz4.frame

from wasmfleet.tasks.twins import lz4_frames
from wasmfleet.tasks.twins.lz4_frames import corrupt
from wasmfleet.workers.errors import InvalidArguments, OutputTooLarge

_WINDOW_BITS: Final = {"gzip": 31, "deflate": -15, "zlib": 15}
_LEVELS: Final = {
    "gzip": (0, 9, 6),
    "deflate": (0, 9, 6),
    "zlib": (0, 9, 6),
    "brotli": (0, 11, 5),
    "lz4": (0, 12, 0),
}
_CHUNK_BYTES: Final = 1 << 16
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
    if not data:
        raise corrupt("it is empty", 0)
    if codec in _WINDOW_BITS:
        return _inflate(data, codec, max_size)
    return _unbrotli(data, max_size) if codec == "brotli" else _unlz4(data, max_size)


def _inflate(data: bytes, codec: str, max_size: int) -> bytes:
    output, end = bytearray(), 0
    while end < len(data):
        if end and codec != "gzip":
            raise corrupt("there is more after its end", end)
        end = _inflate_one(memoryview(data), end, codec, output, max_size)
    return bytes(output)


def _inflate_one(data: memoryview, start: int, codec: str, output: bytearray, max_size: int) -> int:
    """Append what the stream at `start` holds, and return where it ends."""
    stream, at = zlib.decompressobj(_WINDOW_BITS[codec]), start
    while not stream.eof:
        if at == len(data):
            raise corrupt("it ends too early", at)
        chunk = data[at : at + _CHUNK_BYTES]
        try:
            output += stream.decompress(chunk, max_size - len(output) + 1)
        except zlib.error as error:
            raise corrupt(str(error), start) from None
        _bounded(output, max_size)
        at += len(chunk) - len(stream.unused_data)
    return at


def _unbrotli(data: bytes, max_size: int) -> bytes:
    stream, output = brotli.Decompressor(), bytearray()
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            _drain(stream, data[start : start + _CHUNK_BYTES], output, max_size)
    except brotli.error as error:
        raise corrupt(str(error), 0) from None
    if not stream.is_finished():
        raise corrupt("it ends too early", len(data))
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
    output, end = bytearray(), 0
    while end < len(data):
        start, end = end, lz4_frames.end(data, end)
        if not lz4_frames.is_skippable(data, start):
            before = len(output)
            _unlz4_frame(data[start:end], start, output, max_size)
            lz4_frames.check_size(data, start, len(output) - before)
    return bytes(output)


def _unlz4_frame(frame: bytes, start: int, output: bytearray, max_size: int) -> None:
    stream, chunk = lz4.frame.LZ4FrameDecompressor(), frame
    while not stream.eof:
        try:
            output += stream.decompress(chunk, max_length=_CHUNK_BYTES)
        except RuntimeError as error:
            raise corrupt(str(error), start) from None
        _bounded(output, max_size)
        if stream.needs_input and not stream.eof:
            raise corrupt("it ends too early", start + len(frame))
        chunk = b""


def _bounded(output: bytes | bytearray, max_size: int) -> None:
    if len(output) > max_size:
        raise OutputTooLarge(f"the data is over max_size, {max_size} bytes")
