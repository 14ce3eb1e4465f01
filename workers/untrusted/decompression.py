"""Decompression of message bodies with a limit on the result; kombu's own has none.

kombu would also decompress in a worker's main process, which must survive whatever a message holds.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final

from kombu import compression

from wasmfleet.workers.errors import CorruptData, InputTooLarge, InvalidArguments

_LZMA_BYTES: Final = 128 << 20  # more than the highest preset needs, less than what a header may ask for


def postpone() -> None:
    """Make kombu leave compressed messages compressed in this process; the reader of a body calls `plain`.

    It registers a function that does nothing in place of each of kombu's decoders (kombu.compression).
    """
    for kind in _STARTS:
        found: Any = compression.get_encoder(kind)
        compression.register(found[0], _unchanged, kind)


def plain(body: bytes, kind: str, limit: int) -> bytes:
    """Decompress a body. `kind` is one of kombu's names for a compression, or its content type.

    Raises InputTooLarge where the result has more than `limit` bytes, CorruptData where the body does not decompress,
    and InvalidArguments where the kind of compression is unknown.
    """
    start = _STARTS.get(_kind(kind))
    if start is None:
        raise InvalidArguments(f"the message's compression {kind[:80]!r} is not known")
    try:
        text, whole = start()(body, limit + 1)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise CorruptData(f"the message's body does not decompress: {error}") from None
    if len(text) > limit:
        raise InputTooLarge(f"the message's body decompresses to more than {limit:,} bytes")
    if not whole:
        raise CorruptData("the message's compressed body ends early")
    return text


def _unchanged(body: bytes) -> bytes:
    return body


def _kind(name: str) -> str:
    """Look up the content type behind one of kombu's short names, such as `zlib`."""
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
    import brotli  # only a fleet's installation has it

    stream = brotli.Decompressor()

    def decompress(body: bytes, most: int) -> tuple[bytes, bool]:
        try:
            return stream.process(body, output_buffer_limit=most), stream.is_finished()
        except brotli.error as error:
            raise ValueError(str(error)) from None

    return decompress


_STARTS: Final = {
    "application/x-gzip": _zlib,
    "application/x-bz2": _bz2,
    "application/x-lzma": _lzma,
    "application/x-brotli": _brotli,
}
