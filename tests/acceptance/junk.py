"""Invalid values that a stranger may have written to the fleet's keys in Redis."""

import struct
from typing import Any, Final

import msgspec
from redis import Redis

_JUNK: Final[list[bytes]] = [
    b"",
    b"x",
    b"\xff\xfe",
    b"\xc1",
    b"\x91" * 5000,
    b"\xdf\xff\xff\xff\xff",
    b"[" * 5000,
    b"1" * 400,
    b"-1",
    b"nan",
    *map(msgspec.msgpack.encode, (5, None, [], {}, "x", {"id": 5}, [[[[1]]]])),
]
HUGE_BYTES: Final = 100 << 20
ENTRY: Final[dict[str, Any]] = {
    "id": "entry",
    "kind": "refused",
    "reason": "x",
    "operation": "x",
    "queue": "wasmfleet.python",
    "worker": "x",
    "at": 1.0,
    "digest": "x",
    "size_bytes": 1,
    "message": {"body": b"x", "content_type": "x", "content_encoding": "x", "headers": {}},
}
BEAT: Final[dict[str, Any]] = {
    "worker": "x",
    "role": "wasm",
    "pid": 1,
    "node": "x",
    "version": "1",
    "modules": {},
    "sent_at": 1.0,
}


def junk(right: dict[str, Any]) -> list[bytes]:
    """Return values that are no records, and copies of the valid record `right` with one wrong field each."""
    odd = [right | {name: [[]]} for name in right] + [
        {k: v for k, v in right.items() if k != name} for name in right
    ]
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    return [*_JUNK, *map(msgspec.msgpack.encode, [*odd, right | {"modules": deep, "message": deep}])]


def of_type(store: "Redis", key: str, kind: str) -> None:
    """Replace a key by one of this Redis type, with junk in it."""
    store.delete(key)
    match kind:
        case "text":
            store.set(key, b"\xffjunk")
        case "list":
            store.lpush(key, b"junk")
        case "set":
            store.sadd(key, b"junk")
        case "zset":
            store.zadd(key, {b"junk": 1})
        case _:
            store.hset(key, mapping={b"junk": b"junk", b"0": b"junk", b"\xff": struct.pack("d", 1)})


def other_types(store: "Redis", prefix: str) -> None:
    """Write junk of each Redis type except text, at keys made of the prefix and the type."""
    for kind in ("list", "set", "zset", "hash"):
        of_type(store, prefix + kind, kind)
