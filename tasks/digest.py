"""Hash bytes."""

from typing import Literal

from wasmfleet.workers.calls.catalogue import operation

Algorithm = Literal["sha256", "sha512", "md5", "blake3", "crc32", "xxh3_64", "xxh3_128"]


@operation(parity="exact")
def digest(data: bytes, *, algorithm: Algorithm = "sha256") -> str:
    """Give the hash of some bytes as lower-case hexadecimal digits.

    Arguments:

    - `data`: the bytes.
    - `algorithm`: SHA-2 by FIPS 180-4, MD5 by RFC 1321, BLAKE3 by its specification of 2020, CRC-32 as in zip and
      gzip (ISO 3309), or XXH3 by xxHash 0.8 with seed 0, big-endian as xxhsum prints it.

    MD5, CRC-32 and XXH3 protect against accidents only, not against people.
    """
    from wasmfleet.tasks.twins import hashes

    return hashes.digest(data, algorithm)
