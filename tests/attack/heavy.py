"""Hostile messages that cost a worker much: as large as the limits allow, or small ones that grow when they are read.

Each kind is sent alone, so that its cost is known. oracle.py says how much memory a worker may take.
"""

import gzip
import lzma
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import brotli
import msgpack

from tests.attack import values, wire
from tests.attack.seeds import Seeds
from tests.attack.wire import Sent

_MIB: Final = 1 << 20
_JSON: Final = {"content-type": "application/json", "content-encoding": "utf-8"}
_MSGPACK: Final = {"content-type": "application/x-msgpack", "content-encoding": "binary"}
_END: Final = b"\x80\x84\xa9callbacks\xc0\xa8errbacks\xc0\xa5chain\xc0\xa5chord\xc0"
_COMPRESSORS: Final[list[tuple[str, Callable[[bytes], bytes]]]] = [
    ("application/x-gzip", lambda data: gzip.compress(data, 6)),
    ("application/x-brotli", lambda data: brotli.compress(data, quality=2)),
    ("application/x-lzma", lambda data: lzma.compress(data, preset=0)),
]
Fresh = Callable[[str], dict[str, Any]]


def messages(seeds: Seeds, dice: random.Random) -> Iterator[list[Sent]]:
    """Yield without end the messages of one heavy kind, to be sent at once; all kinds come, then all in a new order."""
    templates = {task: raw for raw in seeds.messages if (task := wire.opened(raw)["headers"]["task"])}

    def fresh(task: str) -> dict[str, Any]:
        return wire.renamed(wire.opened(templates[task]), dice) | _MSGPACK

    while True:
        for name, make in dice.sample(list(HEAVY.items()), len(HEAVY)):
            name_of_list = dice.choice(("wasmfleet.python", "wasmfleet.wasm"))
            yield [Sent(f"heavy: {name}", name_of_list, raw) for raw in make(fresh, dice)]


def _packed(args: bytes, count: int = 1) -> bytes:
    """Return a body in MessagePack with these packed arguments."""
    return b"\x93" + msgpack.Packer().pack_array_header(count) + args + _END


def _many(size: int, one: bytes) -> bytes:
    return b"\xdd" + size.to_bytes(4) + one * size


def _plain(
    body: bytes, task: str = "wasmfleet.digest.digest"
) -> Callable[[Fresh, random.Random], list[bytes]]:
    return lambda fresh, _: [values.to_json(wire.with_body(fresh(task), body))]


def _squeezed(make: Callable[[], bytes]) -> Callable[[Fresh, random.Random], list[bytes]]:
    def squeeze(fresh: Fresh, dice: random.Random) -> list[bytes]:
        kind, compress = dice.choice(_COMPRESSORS)
        outer = fresh("wasmfleet.digest.digest")
        outer["headers"]["compression"] = kind
        return [values.to_json(wire.with_body(outer, compress(make())))]

    return squeeze


def _outer(part: str, raw: bytes) -> Callable[[Fresh, random.Random], list[bytes]]:
    """Put raw JSON as a value into a message's headers or properties."""

    def put(fresh: Fresh, _: random.Random) -> list[bytes]:
        outer = fresh("wasmfleet.digest.digest")
        outer[part]["x"] = "~here~"
        return [values.to_json(outer).replace(b'"~here~"', raw)]

    return put


def _unpacked_bombs(fresh: Fresh, _: random.Random) -> list[bytes]:
    """Make a batch of 20 items, each of which decompresses to 64 MiB."""
    bomb = gzip.compress(bytes(64 * _MIB), 9)
    calls = [{"data": bomb, "codec": "gzip"}] * 20
    body = msgpack.packb([["compression.decompress", calls], {}, {}])
    return [values.to_json(wire.with_body(fresh("wasmfleet.batch"), body))]


def _large_results(fresh: Fresh, _: random.Random) -> list[bytes]:
    body = msgpack.packb([["ast.parse", [{"source": "a+" * 100_000 + "a", "objects": True}] * 20], {}, {}])
    return [values.to_json(wire.with_body(fresh("wasmfleet.batch"), body))]


def _many_large(fresh: Fresh, _: random.Random) -> list[bytes]:
    """Make twelve right calls of 12 MiB each."""
    body = _packed(msgpack.packb(bytes(12 * _MIB)))
    return [values.to_json(wire.with_body(fresh("wasmfleet.digest.digest"), body)) for _ in range(12)]


def _many_large_junk(fresh: Fresh, _: random.Random) -> list[bytes]:
    return [b'{"body": "' + bytes([65 + n]) * (16 * _MIB) + b'", "properties": 5}' for n in range(10)]


def _long_words(fresh: Fresh, _: random.Random) -> list[bytes]:
    """Make a message for each header that is read as text, with a text of 1 MiB in it."""
    found = []
    for part in ("task", "shadow", "lang", "origin", "argsrepr", "expires", "root_id"):
        outer = fresh("wasmfleet.digest.digest")
        outer["headers"][part] = "w" * _MIB
        found.append(values.to_json(outer))
    return found


def _wide_errors(fresh: Fresh, _: random.Random) -> list[bytes]:
    """Make a batch in which every item fails because of an argument with a long name."""
    calls = [{"data": b"x", f"{n}" + "w" * 2_000: 1} for n in range(2_000)]
    return [
        values.to_json(
            wire.with_body(fresh("wasmfleet.batch"), msgpack.packb([["digest.digest", calls], {}, {}]))
        )
    ]


HEAVY: Final[dict[str, Callable[[Fresh, random.Random], list[bytes]]]] = {
    "an argument as large as allowed": _plain(_packed(msgpack.packb(bytes(32 * _MIB - 100)))),
    "an argument larger than allowed": _plain(_packed(msgpack.packb(bytes(60 * _MIB)))),
    "a message of 300 MiB": _plain(b"\xc1" * (220 * _MIB)),
    "millions of lists": _plain(_packed(_many(6_000_000, b"\x90"))),
    "millions of maps": _plain(_packed(_many(3_000_000, b"\x81\x01\x90"))),
    "millions of numbers in JSON": lambda fresh, _: [
        values.to_json(
            wire.with_body(
                fresh("wasmfleet.digest.digest") | _JSON, b"[[[" + b"1.5," * 5_000_000 + b"0]],{},{}]"
            )
        )
    ],
    "an item a byte": _plain(
        b"\x93\x92\xaddigest.digest" + _many(3_000_000, b"\x80") + _END, "wasmfleet.batch"
    ),
    "gigabytes of zeros": _squeezed(lambda: bytes(1024 * _MIB)),
    "lists of few bytes": _squeezed(lambda: _packed(_many(60 * _MIB, b"\x90"))),
    "maps of few bytes": _squeezed(lambda: _packed(_many(30 * _MIB, b"\x80"))),
    "nested a million times": _plain(b"\x91" * 1_000_000),
    "nested of few bytes": _squeezed(lambda: b"\x91" * (60 * _MIB)),
    "millions of lists in headers": _outer("headers", b"[" + b"[]," * 6_000_000 + b"0]"),
    "millions of lists in properties": _outer("properties", b"[" + b"{}," * 6_000_000 + b"0]"),
    "headers nested a million times": _outer("headers", b"[" * 1_000_000 + b"]" * 1_000_000),
    "an integer of ten million digits": _outer("headers", b"9" * 10_000_000),
    "a header of many typed values": _outer(
        "headers", b"[" + b'{"__type__":"decimal","__value__":"1e9"},' * 500_000 + b"0]"
    ),
    "a batch of bombs": _unpacked_bombs,
    "a batch of large results": _large_results,
    "many large ones": _many_large,
    "many large ones of junk": _many_large_junk,
    "long words": _long_words,
    "long errors": _wide_errors,
}
