"""Hash bytes with hashlib, zlib, blake3 and xxhash."""

import hashlib
import zlib

import xxhash
from blake3 import blake3


def digest(data: bytes, algorithm: str) -> str:
    """Give the hash as lower-case hexadecimal digits."""
    if algorithm == "crc32":
        return f"{zlib.crc32(data):08x}"
    if algorithm == "blake3":
        return _blake3(data)
    if algorithm.startswith("xxh3"):
        return _xxh3(data, algorithm)
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def _blake3(data: bytes) -> str:
    return blake3(data).hexdigest()


def _xxh3(data: bytes, algorithm: str) -> str:
    return xxhash.xxh3_64_hexdigest(data) if algorithm == "xxh3_64" else xxhash.xxh3_128_hexdigest(data)
