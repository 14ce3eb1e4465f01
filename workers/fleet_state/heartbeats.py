"""Heartbeats in the state store, with which each worker says once a second who it is and what it can serve."""

from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import msgspec
import redis

from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted import redis_reads

BEAT_S: Final = 1.0
EXPIRY_S: Final = 5
_KEY: Final = "wasmfleet:presence:"
#: Each accelerated worker renews it with its heartbeat, so that others need not read all heartbeats to see one.
_ACCELERATED: Final = "wasmfleet:accelerated"
_MOST_KEYS: Final = 10_000
_MOST_BYTES: Final = 1 << 18


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's heartbeat.

    `modules` gives each module's state and, unless it is ready, the reason; `idle_because` says why the worker takes
    no messages; `obeys_all` is true where anybody at the broker may stop it or change its limits. `sent_at` is a Unix
    time. `settings` is what `reported.of` says, and `troubles` what the worker finds wrong with its host.
    `unregistered` names operations of the user's modules that came or changed after the worker's start.
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
    settings: dict[str, str] = {}
    troubles: list[str] = []
    unregistered: list[str] = []

    @property
    def accelerated(self) -> bool:
        """Whether it takes calls of lane `any` and hands over those that it cannot serve."""
        return self.role == "wasm"


class Told(NamedTuple):
    """What a worker learns at a heartbeat: whether an accelerated worker was seen within the last `EXPIRY_S`, and the
    version of the cancelled calls."""

    accelerated: bool
    cancelled: bytes


def send(connection: "redis.Redis", beat: Presence) -> Told:
    """Store a worker's heartbeat, which expires by itself after `EXPIRY_S`, and return what it is told.

    This is one command: an idle fleet sends it each second for every worker. Raises redis.RedisError.
    """
    keys = [_KEY + beat.worker, _ACCELERATED, cancelled.VERSION]
    try:
        packed = msgspec.msgpack.encode(beat)
    except UnicodeEncodeError:  # a reason names a file, whose name need not be UTF-8
        packed = msgspec.msgpack.encode(_readable(msgspec.to_builtins(beat)))
    seen, version = _script()(keys=keys, args=[packed, EXPIRY_S, "01"[beat.accelerated]], client=connection)
    return Told(bool(seen), version)


def _readable(value: Any) -> Any:
    """Return the same mappings and lists, in which UTF-8 can carry every text."""
    if isinstance(value, dict):
        return {storable(name): _readable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(inner) for inner in value]
    return storable(value) if isinstance(value, str) else value


def withdraw(connection: "redis.Redis", worker: str) -> None:
    """Delete the heartbeat of a worker that stops. Raises redis.RedisError."""
    connection.delete(_KEY + worker)


def present(connection: "redis.Redis") -> list[Presence]:
    """List every worker whose heartbeat has not expired; at most 10,000 keys are looked at. Raises redis.RedisError."""
    keys = list(islice(connection.scan_iter(match=_KEY + "*", count=1000), _MOST_KEYS))
    beats = redis_reads.strings("the heartbeat", connection, keys, _MOST_BYTES)
    found = [redis_reads.decoded("the heartbeat", key, beat, Presence) for key, beat in beats]
    return [one for one in found if one is not None]


@cache
def _script() -> Any:
    client: redis.Redis = redis.Redis()  # the script is given the client that runs it
    return client.register_script(resources.files(__package__).joinpath("beat.lua").read_text())
