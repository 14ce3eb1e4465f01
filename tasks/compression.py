"""Compress and decompress bytes, with limits on what comes out."""

from typing import Annotated, Final, Literal, TypedDict

from msgspec import Meta

from wasmfleet.workers.calls.catalogue import operation
from wasmfleet.workers.contracts.bounds import Size

Codec = Literal["gzip", "deflate", "zlib", "brotli", "lz4"]
Level = Annotated[int, Meta(ge=0, le=12)]
Milliseconds = Annotated[float, Meta(ge=0, le=3_600_000)]
MAX_SIZE: Final = 64 << 20


class Tried(TypedDict):
    """One attempt: a codec, a level, and the size in bytes that they came to."""

    codec: str
    level: int
    size: int


class Best(TypedDict):
    """The smallest result, and every attempt in the order in which it was made."""

    codec: str
    level: int
    data: bytes
    tried: list[Tried]


@operation(parity="equivalent")
def compress(data: bytes, *, codec: Codec = "gzip", level: Level | None = None) -> bytes:
    """Make bytes smaller. The lanes give different bytes of the same meaning.

    Arguments:

    - `data`: the bytes.
    - `codec`: gzip (RFC 1952, no time stamp), deflate (RFC 1951, raw), zlib (RFC 1950), brotli (RFC 7932), or lz4
      (frame format 1.6 with a checksum of the content).
    - `level`: from quick to small. gzip, deflate and zlib have 0 to 9, by default 6; brotli 0 to 11, by default 5;
      lz4 0 to 12, by default 0, where the level is a hint.

    Raises InvalidArguments for a level that the codec has not got.
    """
    from wasmfleet.tasks.twins import codecs

    return codecs.compress(data, codec, level)


@operation(parity="exact")
def decompress(data: bytes, *, codec: Codec = "gzip", max_size: Size = MAX_SIZE) -> bytes:
    """Give compressed bytes as they were: all of them, or an error.

    Arguments:

    - `data`: one stream; gzip members, or LZ4 frames, one after the other are one stream. Skippable LZ4 frames are
      skipped; LZ4's legacy frames, and frames that need a dictionary, are not read.
    - `codec`: as for `compress`.
    - `max_size`: bytes that may come out, by default 64 MiB. Decompression stops there.

    Raises OutputTooLarge for more than `max_size` bytes; CorruptData for an empty, unfinished or damaged stream and for
    anything after its end, zeros too, with the offset in `data` as near as the codec knows. A damaged stream that is
    also too large raises whichever the lane's decoder meets first.
    """
    from wasmfleet.tasks.twins import codecs

    return codecs.decompress(data, codec, max_size)


@operation(parity="equivalent")
def best(
    data: bytes,
    *,
    codecs: Annotated[list[Codec], Meta(min_length=1)] = ["gzip", "brotli", "lz4"],  # noqa: B006
    budget_ms: Milliseconds = 50.0,
) -> Best:
    """Give the smallest result that some codecs reach within a budget, and what each attempt came to.

    Arguments:

    - `data`: the bytes.
    - `codecs`: what to try.
    - `budget_ms`: milliseconds that all attempts together may cost by estimate: fixed nanoseconds a byte for each
      codec and level, since a guest has no clock.

    Attempts are made from the cheapest on while their estimates fit the budget; the cheapest is made always.
    """
    from wasmfleet.tasks.twins import codecs as coding

    found: Best = coding.best(data, codecs, budget_ms)
    return found
