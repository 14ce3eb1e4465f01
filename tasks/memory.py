"""Compress and decompress bytes in memory: aliases of `compression` whose codec is LZ4 unless another is named."""

from typing import Any

from wasmfleet.tasks import compression
from wasmfleet.workers.calls.catalogue import alias
from wasmfleet.workers.contracts.bounds import Size


@alias(compression.compress)
def compress(data: bytes, *, codec: compression.Codec = "lz4", level: compression.Level | None = None) -> Any:
    """Make bytes smaller, with LZ4 unless another codec is named; see `compression.compress`."""
    return {"data": data, "codec": codec, "level": level}


@alias(compression.decompress)
def decompress(
    data: bytes, *, codec: compression.Codec = "lz4", max_size: Size = compression.MAX_SIZE
) -> Any:
    """Give compressed bytes as they were, from LZ4 unless another codec is named; see `compression.decompress`."""
    return {"data": data, "codec": codec, "max_size": max_size}
