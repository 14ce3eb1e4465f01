"""Compressed messages, bounded: Celery decompresses them in a worker's main process, before anybody looks at them."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import brotli
from kombu import compression

from wasmfleet.workers.errors import CorruptData, InputTooLarge

_LZMA_BYTES: Final = 128 << 20  # more than the highest preset needs, less than what a header may ask for


def bound(limit: int) -> None:
    """From now on a message that decompresses to more than `limit` bytes raises InputTooLarge."""
    for kind, start in _STARTS.items():
        found: Any = compression.get_encoder(kind)
        compression.register(found[0], partial(_decompress, start, limit), kind)


def _decompress(
    start: Callable[[], Callable[[bytes, int], tuple[bytes, bool]]], limit: int, body: bytes
) -> bytes:
    try:
        plain, whole = start()(body, limit + 1)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, brotli.error) as error:
        raise CorruptData(f"the message's body does not decompress: {error}") from None
    if len(plain) > limit:
        raise InputTooLarge(f"the message's body decompresses to more than {limit:,} bytes")
    if not whole:
        raise CorruptData("the message's compressed body ends early")
    return plain


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
