"""Heartbeats in the state store, with which each worker says once a second who it is and what it can serve."""

from itertools import islice
from typing import Final, Literal

import msgspec
import redis

from wasmfleet.workers.untrusted import redis_reads

BEAT_S: Final = 1.0
EXPIRY_S: Final = 5
_KEY: Final = "wasmfleet:presence:"
_MOST_KEYS: Final = 10_000
_MOST_BYTES: Final = 1 << 18


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's heartbeat.

    `modules` gives each module's state and, unless it is ready, the reason; `idle_because` says why the worker takes
    no messages; `obeys_all` is true where anybody at the broker may stop it or change its limits. `sent_at` is a Unix
    time.
    """

    worker: str
    role: Literal["wasm", "python"]
    pid: int
    node: str
    version: str
    modules: dict[str, tuple[str, str]]
    sent_at: float
    idle_because: str = ""
    obeys_all: bool = False

    @property
    def accelerated(self) -> bool:
        """Whether it takes calls of lane `any` and hands over those that it cannot serve."""
        return self.role == "wasm"


def send(connection: "redis.Redis", beat: Presence) -> None:
    """Store a worker's heartbeat; it expires by itself after `EXPIRY_S`. Raises redis.RedisError."""
    connection.set(_KEY + beat.worker, msgspec.msgpack.encode(beat), ex=EXPIRY_S)


def withdraw(connection: "redis.Redis", worker: str) -> None:
    """Delete the heartbeat of a worker that stops. Raises redis.RedisError."""
    connection.delete(_KEY + worker)


def present(connection: "redis.Redis") -> list[Presence]:
    """List every worker whose heartbeat has not expired; at most 10,000 keys are looked at. Raises redis.RedisError."""
    keys = list(islice(connection.scan_iter(match=_KEY + "*", count=1000), _MOST_KEYS))
    beats = redis_reads.strings("the heartbeat", connection, keys, _MOST_BYTES)
    found = [redis_reads.decoded("the heartbeat", key, beat, Presence) for key, beat in beats]
    return [one for one in found if one is not None]
