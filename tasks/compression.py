"""Compression and decompression, with limits."""

from typing import Final, Literal, TypedDict

from wasmfleet.workers.calls.catalogue import operation

Codec = Literal["gzip", "deflate", "zlib", "brotli", "lz4"]
MAX_SIZE: Final = 64 << 20


class Tried(TypedDict):
    """One attempt and the bytes it came to."""

    codec: str
    level: int
    size: int


class Best(TypedDict):
    """The smallest result and every attempt."""

    codec: str
    level: int
    data: bytes
    tried: list[Tried]


@operation(parity="equivalent")
def compress(data: bytes, *, codec: Codec = "gzip", level: int | None = None) -> bytes:
    """Bytes made smaller.

    gzip (RFC 1952, no time stamp), deflate (RFC 1951, raw) and zlib (RFC 1950) take levels 0 to 9, by default 6;
    brotli (RFC 7932) 0 to 11, by default 5; lz4 (frame format 1.6 with a checksum of the content) 0 to 12, where
    the level is a hint. The lanes give different bytes with the same meaning.
    """
    from wasmfleet.tasks.twins import codecs

    return codecs.compress(data, codec, level)


@operation(parity="exact")
def decompress(data: bytes, *, codec: Codec = "gzip", max_size: int = MAX_SIZE) -> bytes:
    """Bytes as they were, all of them or an error.

    Output over `max_size` bytes is OutputTooLarge and stopped there. An empty, unfinished or damaged stream, and
    anything after its end, is CorruptData with the offset in `data`, as near as the codec knows. Concatenated gzip
    members and LZ4 frames are one stream.
    """
    from wasmfleet.tasks.twins import codecs

    return codecs.decompress(data, codec, max_size)


@operation(parity="equivalent")
def best(
    data: bytes,
    *,
    codecs: list[Codec] = ["gzip", "brotli", "lz4"],  # noqa: B006
    budget_ms: float = 50.0,
) -> Best:
    """The smallest result that some codecs give within a budget, and what each gave.

    A guest has no clock: the budget is compared with estimated costs, fixed nanoseconds a byte for each codec and
    level. Attempts are made from the cheapest on while their estimates fit; the cheapest always.
    """
    from wasmfleet.tasks.twins import codecs as coding

    found: Best = coding.best(data, codecs, budget_ms)
    return found
