"""Compressed messages, bounded: kombu would decompress them in a worker's main process, whatever they grow to."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final

import brotli
from kombu import compression

from wasmfleet.workers.errors import CorruptData, InputTooLarge, InvalidArguments

_LZMA_BYTES: Final = 128 << 20  # more than the highest preset needs, less than what a header may ask for


def postpone() -> None:
    """From now on kombu leaves a compressed message as it is; whoever reads it calls `plain`."""
    for kind in _STARTS:
        found: Any = compression.get_encoder(kind)
        compression.register(found[0], _as_it_is, kind)


def plain(body: bytes, kind: str, limit: int) -> bytes:
    """A body decompressed. Raises InputTooLarge for more than `limit` bytes, CorruptData, and InvalidArguments for a
    kind of compression that is not known."""
    start = _STARTS.get(_kind(kind))
    if start is None:
        raise InvalidArguments(f"the message's compression {kind[:80]!r} is not known")
    try:
        text, whole = start()(body, limit + 1)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, brotli.error) as error:
        raise CorruptData(f"the message's body does not decompress: {error}") from None
    if len(text) > limit:
        raise InputTooLarge(f"the message's body decompresses to more than {limit:,} bytes")
    if not whole:
        raise CorruptData("the message's compressed body ends early")
    return text


def _as_it_is(body: bytes) -> bytes:
    return body


def _kind(name: str) -> str:
    """The content type behind one of kombu's short names."""
    try:
        found: Any = compression.get_encoder(name)
        return str(found[1])
    except KeyError:
        return name


def _zlib() -> Callable[[bytes, int], tuple[bytes, bool]]:
    return _with_end(zlib.decompressobj())


def _bz2() -> Callable[[bytes, int], tuple[bytes, bool]]:
    return _with_end(bz2.BZ2Decompressor())


def _lzma() -> Callable[[bytes, int], tuple[bytes, bool]]:
    return _with_end(lzma.LZMADecompressor(memlimit=_LZMA_BYTES))


def _with_end(stream: Any) -> Callable[[bytes, int], tuple[bytes, bool]]:
    return lambda body, most: (stream.decompress(body, most), stream.eof)


def _brotli() -> Callable[[bytes, int], tuple[bytes, bool]]:
    stream = brotli.Decompressor()
    return lambda body, most: (stream.process(body, output_buffer_limit=most), stream.is_finished())


_STARTS: Final = {
    "application/x-gzip": _zlib,
    "application/x-bz2": _bz2,
    "application/x-lzma": _lzma,
    "application/x-brotli": _brotli,
}
