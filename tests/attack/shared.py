"""Attacks on what a fleet's processes share: junk in keys, keys of a wrong type, broadcasts of remote control."""

import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

import msgpack
from redis import Redis
from redis.exceptions import ResponseError

from tests.attack import mutation, values, wire
from tests.attack.seeds import Seeds

_FORMS: Final = ("string", "list", "hash", "zset", "set", "stream")
_KEYS: Final = (
    *("unacked", "unacked_index", "unacked_holders", "unacked_mutex", "wasmfleet:cancelled"),
    *("wasmfleet:cancelled:version", "wasmfleet:quarantine", "wasmfleet:presence:x", "wasmfleet:deaths:x"),
    *("wasmfleet:begun:x", "wasmfleet:died:x", "wasmfleet:done:x", "wasmfleet:refused:x", "wasmfleet:probe"),
    *("_wasmfleet.bell.wasmfleet.python", "_wasmfleet.bell.wasmfleet.wasm", "_kombu.binding.celery.pidbox"),
    *("_kombu.binding.wasmfleet.python", "wasmfleet:drained", "wasmfleet:intake"),
)
_LISTS: Final = ("wasmfleet.python", "wasmfleet.wasm.batch", "celery")
_HOLDERS: Final = (
    *("x", "", "a|b|c", "|||", "node|1:1|0", "\0", "x" * 5_000, "node|1:1|0|4", "\x1b[31m|9:9|1", "ü|ü|ü"),
)


class Shared:
    """The junk that one round puts into shared keys; `mend` removes what may stop a fleet while it is there."""

    def __init__(self, broker: "Redis", seeds: Seeds, dice: random.Random) -> None:
        self._broker, self._seeds, self._dice = broker, seeds, dice
        self._undo: list[Callable[[], Any]] = []
        self.done: list[str] = []

    def spoil(self, times: int) -> None:
        """Spoil shared keys in randomly chosen ways, so many times."""
        ways: list[Callable[[], str]] = [
            self._held,
            self._lease,
            self._holder,
            self._index,
            self._bell,
            self._presence,
            self._cancelled,
            self._counts,
            self._quarantine,
            self._wrong_type,
        ]
        for _ in range(times):
            with contextlib.suppress(ResponseError):  # the key may have got a wrong type before
                self.done.append(self._dice.choice(ways)())

    def mend(self) -> None:
        """Remove what may stop a fleet while it is there, and what no worker can ever settle."""
        for undo in self._undo:
            undo()

    def _junk(self) -> bytes:
        raw = self._dice.choice(
            (*self._seeds.messages[:20], b"", b"\xff\xfe", b"[]", b'["x", 5]', b'"x"', b"5")
        )
        return mutation.bytes_changed(raw, self._dice) if self._dice.random() < 0.5 else raw

    def _name(self) -> str:
        return self._dice.choice((*_HOLDERS, values.ESCAPE, values.FORGED_LINE, values.ADDRESS))

    def _held(self) -> str:
        tag = self._name() or "x"
        self._broker.hset("unacked", tag, self._junk())
        self._undo.append(lambda: self._has("unacked", "hash") and self._broker.hdel("unacked", tag))
        return "a held message"

    def _lease(self) -> str:
        holder = self._name()
        leases = (
            "x",
            "",
            "1 2",
            "1 x wasmfleet.python",
            "-1 -1 ",
            "9 9 wasmfleet.python",
            "1 0 \x1b[31m",
            b"\xff",
        )
        self._broker.hset(f"unacked_leases:{holder}", "tag", self._dice.choice(leases))
        self._broker.zadd("unacked_holders", {holder: self._dice.choice((0, 1e300, float("-inf"), 1.5))})
        self._undo.append(lambda: self._broker.delete(f"unacked_leases:{holder}"))
        return "a lease"

    def _holder(self) -> str:
        self._broker.zadd("unacked_holders", {self._name(): self._dice.choice((0, float("inf"), -1.0))})
        return "a holder"

    def _index(self) -> str:
        self._broker.zadd("unacked_index", {self._name(): self._dice.choice((0.0, 1.0, float("inf")))})
        return "an index entry"

    def _bell(self) -> str:
        self._broker.zadd(
            "_wasmfleet.bell.wasmfleet.python", {self._name(): self._dice.choice((0, 5, 1e300))}
        )
        return "a bell"

    def _presence(self) -> str:
        right = {
            "worker": "x",
            "role": "wasm",
            "pid": 1,
            "node": "n",
            "version": "1",
            "modules": {},
            "sent_at": 1.0,
        }
        beat = self._dice.choice(
            (b"", b"\xc1", self._packed(right), self._packed(right | {"role": "x"}), b"{}")
        )
        self._broker.set(
            f"wasmfleet:presence:{self._name()}", mutation.bytes_changed(beat, self._dice), ex=10
        )
        return "a heartbeat"

    def _cancelled(self) -> str:
        self._broker.zadd("wasmfleet:cancelled", {self._dice.choice((self._name(), b"\xff\xfe")): 1e12})
        self._broker.set("wasmfleet:cancelled:version", self._dice.choice((b"\xff", b"x", b"9" * 400)))
        self._undo.append(lambda: self._broker.delete("wasmfleet:cancelled:version"))
        return "a cancelled call"

    def _counts(self) -> str:
        id = wire.opened(self._dice.choice(self._seeds.messages))["headers"]["id"]
        for name in ("deaths", "refused"):
            self._broker.set(
                f"wasmfleet:{name}:{id}", self._dice.choice((b"x", b"9" * 30, b"-5", b"1e9")), ex=60
            )
        self._broker.hset(f"wasmfleet:died:{id}", self._dice.choice(("x", "-1", "99")), "x")
        self._broker.hset(f"wasmfleet:done:{id}", self._dice.choice(("x", "0", "99")), b"\xc1")
        return "deaths"

    def _quarantine(self) -> str:
        field = self._name() or "x"
        self._broker.hset("wasmfleet:quarantine", field, self._junk())
        self._undo.append(
            lambda: (
                self._has("wasmfleet:quarantine", "hash") and self._broker.hdel("wasmfleet:quarantine", field)
            )
        )
        return "an entry of the quarantine"

    def _wrong_type(self) -> str:
        key = self._dice.choice((*_KEYS, *_LISTS))
        form = self._dice.choice([form for form in _FORMS if not self._has(key, form)])
        self._broker.delete(key)
        _PUT[form](self._broker, key)
        self._undo.append(lambda: self._has(key, form) and self._broker.delete(key))
        return f"{key} as a {form}"

    def _has(self, key: str, form: str) -> bool:
        return bool(self._broker.type(key) == form.encode())

    def _packed(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value)
        return packed


def broadcast(seeds: Seeds, dice: random.Random) -> tuple[str, bytes]:
    """Make a broadcast of remote control, unchanged or mutated; return the name of its command and the message."""
    outer = wire.opened(dice.choice(seeds.broadcasts))
    content = wire.content_of(outer)
    name = str(content["method"])
    if (kind := dice.random()) < 0.25:
        outer["headers"] = {"clock": 1, "expires": 2e10}
        return name, values.to_json(outer)
    outer["headers"] = {"clock": 1, "expires": 2e10}
    if kind < 0.4:
        return f"{name}, bytes changed", mutation.bytes_changed(values.to_json(outer), dice)
    if kind < 0.5:
        return f"{name}, outer changed", values.to_json(mutation.value_changed(outer, dice, keep=("body",)))
    changed = mutation.value_changed(content, dice, keep=("method",) if kind < 0.9 else ())
    if kind > 0.8:
        changed = changed if isinstance(changed, dict) else {}
        changed["reply_to"] = {"exchange": values.interesting(dice), "routing_key": values.interesting(dice)}
    return f"{name}, content changed", values.to_json(wire.with_content(outer, changed))


_PUT: Final[dict[str, Callable[["Redis", str], Any]]] = {
    "string": lambda broker, key: broker.set(key, b"junk"),
    "list": lambda broker, key: broker.rpush(key, b"junk"),
    "hash": lambda broker, key: broker.hset(key, "junk", "junk"),
    "zset": lambda broker, key: broker.zadd(key, {"junk": 1}),
    "set": lambda broker, key: broker.sadd(key, "junk"),
    "stream": lambda broker, key: broker.xadd(key, {"junk": "junk"}),
}
