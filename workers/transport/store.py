"""The keys of one Redis database and the scripts over them."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from redis import Redis

from wasmfleet.workers.transport import stock
from wasmfleet.workers.transport.messages import redelivered
from wasmfleet.workers.untrusted.redis_reads import entries, heal, skip

_MOST_TOUCHED: Final = 1000
_MOST_HOLDERS: Final = 10_000
_MOST_LEASES: Final = 1_000_000  # of one holder
_MOST_LEASE_BYTES: Final = 2000
_LEASE: Final = re.compile(r"([0-9]{1,18}) ([0-9]{1,18}) (.{1,1000})", re.DOTALL)
#: Seconds that a bell nobody waits for is kept: whoever comes to wait has looked into the lists just before.
BELL_S: Final = 60


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the keys, with the prefix that `global_keyprefix` sets."""

    prefix: str
    unacked: str
    index: str

    @property
    def bookings(self) -> list[str]:
        return [self.prefix + self.unacked, self.prefix + self.index]

    @property
    def holders(self) -> str:
        return f"{self.prefix}{self.unacked}_holders"

    def leases(self, holder: str) -> str:
        return f"{self.prefix}{self.unacked}_leases:{holder}"

    @property
    def deadly(self) -> str:
        """The hash of messages that ended their workers, whole, by their ids."""
        return f"{self.prefix}wasmfleet:deadly"

    def bell(self, queue: str) -> str:
        return f"{self.prefix}_wasmfleet.bell.{queue}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One held message: the fetch that took it, its place there, and the list it came from, prefix included."""

    fetch: str
    place: int
    list: str

    def __str__(self) -> str:
        return f"{self.fetch} {self.place} {self.list}"

    @classmethod
    def parse(cls, text: str) -> "Lease | None":
        """None for what is no lease."""
        found = _LEASE.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one fetch asks for: at most `limit` messages of `room_bytes` together. The first may have
    `first_bytes`, and one of more than `message_bytes` comes as a stub.
    A message that workers died with is taken by an idle one only, and with no other.

    `turns` says in which order the queues are asked, by their place in `queues`.
    """

    id: str
    limit: int
    room_bytes: int
    first_bytes: int
    message_bytes: int
    idle: bool
    lists: Sequence[str]
    bells: Sequence[str]
    flags: str
    turns: Sequence[int]
    acknowledged: Sequence[str]


class Store:
    """The scripts, run as one holder. Every method may raise redis.RedisError."""

    def __init__(self, client: "Redis", keys: Keys, holder: str) -> None:
        self._client, self.keys, self.holder = client, keys, holder
        self._put = client.register_script(source("put"))
        self._touch = client.register_script(source("touch"))
        self._renew = client.register_script(source("renew"))
        self._restore = client.register_script(source("restore"))
        self._forget = client.register_script(source("forget"))
        self._abandoned = client.register_script(source("abandoned"))
        self._fetch: Any = client.register_script(source("fetch"))

    def put(self, name: str, bell: str, message: bytes | str, limit: int, counted: Sequence[str]) -> int:
        """The list's new length, or -1 when those that are counted have `limit` messages already (0: no limit)."""
        lists = [self.keys.prefix + each for each in counted] if limit else []
        length: int = self._put(keys=[self.keys.prefix + name, bell, *lists], args=[message, limit, BELL_S])
        return length

    def fetch(self, wanted: Fetch) -> list[Any]:
        reply: list[Any] = self._fetch(keys=self._fetch_keys(wanted), args=self._fetch_arguments(wanted))
        return reply

    def fetch_command(self, wanted: Fetch) -> list[Any]:
        """The same as a command to send."""
        keys = self._fetch_keys(wanted)
        return ["EVALSHA", self._fetch.sha, len(keys), *keys, *self._fetch_arguments(wanted)]

    def load_fetch(self) -> None:
        self._client.script_load(source("fetch"))

    def settle(self, tags: Sequence[str]) -> None:
        """Removes acknowledged messages."""
        self.fetch(Fetch("", 0, 0, 0, 0, True, (), (), "", (), tags))

    def renew(self) -> tuple[int, dict[str, str]]:
        """Renews this holder; gives how many leases it has, and every holder's score as the broker has it."""
        count, *reply = self._renew(
            keys=[self.keys.holders, self.keys.leases(self.holder)], args=[self.holder, _MOST_HOLDERS]
        )
        texts = [_text(part) for part in reply]
        return count, dict(zip(texts[::2], texts[1::2], strict=True))

    def touch(self, tags: Iterable[str]) -> None:
        """Renews held messages where plain Celery workers look; a few at a time, so that the broker is not held up."""
        waiting = iter(tags)
        while some := list(itertools.islice(waiting, _MOST_TOUCHED)):
            self._touch(keys=self.keys.bookings[1:], args=some)

    def leases(self, holder: str) -> dict[str, Lease]:
        """What a holder holds, the last taken first: in this order it goes back to the head of its list. What is no
        lease is skipped."""
        key = self.keys.leases(holder)
        leases: dict[str, Lease] = {}
        for tag, text in entries(self._client, key, _MOST_LEASES, _MOST_LEASE_BYTES, page=1000):
            if (lease := Lease.parse(_text(text))) is not None:
                leases[_text(tag)] = lease
            else:
                skip("the lease", f"{_text(tag)} of {holder}", "it cannot be read")
        return dict(
            sorted(leases.items(), key=lambda held: (int(held[1].fetch), held[1].place), reverse=True)
        )

    def lease(self, tag: str) -> Lease | None:
        """This holder's lease of a message."""
        found: Any = self._client.hget(self.keys.leases(self.holder), tag)
        return Lease.parse(_text(found)) if found else None

    def booked(self, tag: str) -> bytes:
        """The entry of a held message in `unacked`. Raises LookupError where there is none."""
        found: Any = self._client.hget(self.keys.bookings[0], tag)
        if found is None:
            raise LookupError(tag)
        return bytes(found)

    def put_back(
        self,
        tag: str,
        lease: Lease,
        holder: str,
        *,
        score: str = "",
        last: bool = False,
        lost: bool = False,
    ) -> bool:
        """Puts a held message back into its list, marked as delivered before, first in line unless `last`.

        `lost` says whether its holder died.
        Nothing happens where the lease or the holder's score is not the one given any more; then False.
        """
        booked: Any = self._client.hget(self.keys.bookings[0], tag)
        # Without a booking the lease alone is left; the script removes it.
        message = redelivered(booked, lost=lost) if booked else b""
        queue = lease.list.removeprefix(self.keys.prefix).partition(stock.redis.Channel.sep)[0]
        own = [*self.keys.bookings, self.keys.holders, self.keys.leases(holder)]
        arguments: list[Any] = [tag, message, "LPUSH" if last else "RPUSH", holder, score, str(lease)]
        return bool(self._restore(keys=[*own, lease.list, self.keys.bell(queue)], args=arguments))

    def abandoned(self, seconds: float) -> dict[str, str]:
        """Tags, with their scores, that nobody renewed for so long."""
        texts = [_text(part) for part in self._abandoned(keys=self.keys.bookings[1:], args=[seconds])]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def unlist(self, tag: str) -> None:
        """Leaves a message that cannot be read out of those that may be abandoned."""
        self._client.zrem(self.keys.bookings[1], tag)

    def heal(self, queues: Iterable[str]) -> None:
        """Deletes what lies at keys that are this package's alone and is of another type; nothing could be taken."""
        kinds = {self.keys.holders: "zset", self.keys.leases(self.holder): "hash"}
        heal(self._client, kinds | {self.keys.bell(queue): "zset" for queue in queues})

    def forget(self, holder: str, score: str) -> None:
        """Removes a holder, unless it holds something; one that was found dead with this score in any case."""
        self._forget(keys=[self.keys.holders, self.keys.leases(holder)], args=[holder, score])

    def _fetch_keys(self, wanted: Fetch) -> list[str]:
        own = [*self.keys.bookings, self.keys.holders, self.keys.leases(self.holder)]
        return [*own, *wanted.lists, *wanted.bells, self.keys.deadly]

    def _fetch_arguments(self, wanted: Fetch) -> list[Any]:
        turns = " ".join(map(str, wanted.turns))
        sizes = [wanted.room_bytes, wanted.first_bytes, wanted.message_bytes]
        own = ["01"[wanted.idle], self.holder, wanted.id, wanted.flags, turns]
        return [len(wanted.lists), wanted.limit, *sizes, *own, *wanted.acknowledged]


def fetched(reply: list[Any]) -> list[tuple[int, str, bytes]]:
    """A fetch's answer as (place in its lists, tag, message)."""
    flat = reply[1:]
    return [
        (number, _text(tag), raw) for number, tag, raw in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    ]


@cache
def source(name: str) -> str:
    """A script's text."""
    return (resources.files(__package__) / f"{name}.lua").read_text()


def _text(value: Any) -> str:
    """Any bytes as text, which the clients of this transport write as the same bytes; see Reconnecting."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
