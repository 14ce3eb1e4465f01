"""The scripts that work on the keys of the transport in the broker's database."""

import itertools
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from redis import Redis

from wasmfleet.workers.safe_text import shown
from wasmfleet.workers.transport.keys import Keys
from wasmfleet.workers.transport.messages import name_of, redelivered, without_deaths
from wasmfleet.workers.untrusted.redis_reads import entries, heal, skip

_MOST_TOUCHED: Final = 1000  # messages in one step
_MOST_HOLDERS: Final = 10_000
_MOST_LEASES: Final = 1_000_000  # of one holder
_MOST_LEASE_BYTES: Final = 2000
_LOOKOUT_MS: Final = 2500  # after which another consumer takes over from a lookout that does not renew
_LEASE: Final = re.compile(r"([0-9]{1,18}) ([0-9]{1,18}) (.{1,1000})", re.DOTALL)
#: A number of bytes, or of deaths, that no message has: numbers in Lua are exact up to here.
ANY: Final = 1 << 53
#: What is added to a queue's name for the queue of messages that ended their workers.
DEADLY: Final = ".deadly"
#: Seconds after which a bell that nobody waits for expires. No message is missed by that: a consumer looks into the
#: lists before it waits for a bell.
BELL_S: Final = 60
_READS_HEADS: Final = ("fetch", "look", "peek")
_log = logging.getLogger("wasmfleet.transport")


@dataclass(frozen=True, slots=True)
class Lease:
    """One held message: the fetch that took it, its place in that, and the list that it came from, prefix included."""

    fetch: str
    place: int
    list: str

    def __str__(self) -> str:
        return f"{self.fetch} {self.place} {self.list}"

    @classmethod
    def parse(cls, text: str) -> "Lease | None":
        """Read a lease from its text; None where the text is none."""
        found = _LEASE.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one fetch asks for: at most `limit` messages, of `room_bytes` together.

    The first message may have `first_bytes`. In place of one of more than `message_bytes`, or of one that ended
    `max_deaths` workers, comes a stub. A message that ended `alone_from` workers is taken only where the holder is
    `idle`, and then no other is.

    `lists` are those of the queues for the most urgent priority, then for the next one; `bells` has the bell of each.
    `flags` has "1" for a list whose messages are not booked. `turns` is the order in which the queues are asked, by
    their places. `acknowledged` are the tags of messages to drop.
    """

    id: str
    limit: int
    room_bytes: int
    first_bytes: int
    message_bytes: int
    idle: bool
    alone_from: int
    max_deaths: int
    lists: Sequence[str]
    bells: Sequence[str]
    flags: str
    turns: Sequence[int]
    acknowledged: Sequence[str]


class Store:
    """The scripts, run in the name of one holder. Every method may raise redis.RedisError.

    A message that ended `max_deaths` workers goes to a queue of such messages; 0 is any number.
    """

    def __init__(self, client: "Redis", keys: Keys, holder: str, max_deaths: int = 0) -> None:
        self._client, self.keys, self.holder, self.max_deaths = client, keys, holder, max_deaths
        self._put_script = client.register_script(source("put"))
        self._touch_script = client.register_script(source("touch"))
        self._renew_script = client.register_script(source("renew"))
        self._restore_script = client.register_script(source("restore"))
        self._forget_script = client.register_script(source("forget"))
        self._abandoned_script = client.register_script(source("abandoned"))
        self._fetch_script: Any = client.register_script(source("fetch"))

    def put(self, name: str, bell: str, message: bytes | str, limit: int, counted: Sequence[str]) -> int:
        """Queue a message in the list `name` and ring the bell. Gives the list's new length.

        Gives -1 and queues nothing where the lists of `counted` have `limit` messages already; 0 is no limit.
        """
        lists = [self.keys.prefix + each for each in counted] if limit else []
        length: int = self._put_script(
            keys=[self.keys.prefix + name, bell, *lists], args=[message, limit, BELL_S]
        )
        return length

    def fetch(self, wanted: Fetch) -> list[Any]:
        """Run a fetch and give its answer, for `fetched`."""
        reply: list[Any] = self._fetch_script(
            keys=self._fetch_keys(wanted), args=self._fetch_arguments(wanted)
        )
        return reply

    def fetch_command(self, wanted: Fetch) -> list[Any]:
        """Give the command that runs a fetch, for a caller that sends it and reads the answer later."""
        keys = self._fetch_keys(wanted)
        return ["EVALSHA", self._fetch_script.sha, len(keys), *keys, *self._fetch_arguments(wanted)]

    def load_fetch(self) -> None:
        """Give the broker the script that `fetch_command` names."""
        self._client.script_load(source("fetch"))

    def settle(self, tags: Sequence[str]) -> None:
        """Drop acknowledged messages, without fetching any."""
        self.fetch(Fetch("", 0, 0, 0, 0, True, ANY, ANY, (), (), "", (), tags))

    def renew(self, roles: Sequence[str] = ()) -> tuple[int, list[str], dict[str, str]]:
        """Renew this holder, and what it looks after for other consumers.

        Gives how many leases it has, those of `roles` that are this holder's now, and the scores of all holders as the
        broker wrote them.
        """
        count, flags, *reply = self._renew_script(
            keys=[self.keys.holders, self.keys.leases(self.holder), *map(self.keys.lookout, roles)],
            args=[self.holder, _MOST_HOLDERS, _LOOKOUT_MS],
        )
        texts = [as_text(part) for part in reply]
        own = [role for role, flag in zip(roles, as_text(flags), strict=True) if flag == "1"]
        return count, own, dict(zip(texts[::2], texts[1::2], strict=True))

    def touch(self, tags: Iterable[str]) -> None:
        """Renew held messages where plain Celery workers look, in short steps that do not hold up the broker."""
        waiting = iter(tags)
        while some := list(itertools.islice(waiting, _MOST_TOUCHED)):
            self._touch_script(keys=self.keys.bookings[1:], args=some)

    def leases(self, holder: str) -> dict[str, Lease]:
        """Give what a holder holds, the last taken first: the order in which it has to go back to the head of its list.

        What cannot be read as a lease is skipped.
        """
        key = self.keys.leases(holder)
        leases: dict[str, Lease] = {}
        for tag, text in entries(self._client, key, _MOST_LEASES, _MOST_LEASE_BYTES, page=1000):
            if (lease := Lease.parse(as_text(text))) is not None:
                leases[as_text(tag)] = lease
            else:
                skip("the lease", f"{as_text(tag)} of {holder}", "it cannot be read")
        return dict(
            sorted(leases.items(), key=lambda held: (int(held[1].fetch), held[1].place), reverse=True)
        )

    def lease(self, tag: str) -> Lease | None:
        """Give this holder's lease of a message; None where it has none."""
        found: Any = self._client.hget(self.keys.leases(self.holder), tag)
        return Lease.parse(as_text(found)) if found else None

    def booked(self, tag: str) -> bytes:
        """Give the entry of a held message in `unacked`. Raises LookupError where there is none."""
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
        """Put a held message back into its list, marked as delivered before: first in line, or `last`, as returned.

        `lost` says that its holder died. Gives False, and does nothing, where the lease or the holder's score is no
        longer the one given: somebody else was quicker, or the holder lives.
        """
        message = self._redelivered(tag, lost=lost, returned=last)
        queue, place = self.keys.queue_of(lease.list), lease.list
        deadly = without_deaths(message, self.max_deaths) if lost and self.max_deaths else b""
        if deadly:
            queue, message = queue + DEADLY, deadly
            place = self.keys.prefix + queue
        own = [*self.keys.bookings, self.keys.holders, self.keys.leases(holder)]
        arguments: list[Any] = [
            tag,
            message,
            "LPUSH" if last or deadly else "RPUSH",
            holder,
            score,
            str(lease),
        ]
        done = bool(self._restore_script(keys=[*own, place, self.keys.bell(queue)], args=arguments))
        if done and deadly:
            told = shown(name_of(deadly)), self.max_deaths, shown(queue)
            _log.error("%s ended %d workers that held it: it is kept in the queue %s, whole", *told)
        return done

    def _redelivered(self, tag: str, *, lost: bool, returned: bool) -> bytes:
        """Give a held message as it goes back; empty where it is not booked: then the script removes the lease alone.

        What was read is let go with this function's end: both at once may take a lot of memory.
        """
        booked: Any = self._client.hget(self.keys.bookings[0], tag)
        return redelivered(booked, lost=lost, returned=returned) if booked else b""

    def abandoned(self, seconds: float) -> dict[str, str]:
        """Give the tags, with their scores, of held messages that nobody renewed for so many seconds; 100 at most."""
        texts = [
            as_text(part) for part in self._abandoned_script(keys=self.keys.bookings[1:], args=[seconds])
        ]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def unlist(self, tag: str) -> None:
        """Take a message that cannot be read out of those that `abandoned` looks through."""
        self._client.zrem(self.keys.bookings[1], tag)

    def heal(self, queues: Iterable[str]) -> None:
        """Delete what lies at keys of ours and is of another type: with it, no fetch could take anything."""
        kinds = {self.keys.holders: "zset", self.keys.leases(self.holder): "hash"}
        heal(self._client, kinds | {self.keys.bell(queue): "zset" for queue in queues})

    def forget(self, holder: str, score: str, roles: Sequence[str] = ()) -> None:
        """Remove a holder that holds nothing, or one that was found dead with this score, whatever it holds.

        `score` is empty for a holder that ends by itself; it also gives up its `roles`.
        """
        keys = [self.keys.holders, self.keys.leases(holder), *map(self.keys.lookout, roles)]
        self._forget_script(keys=keys, args=[holder, score])

    def ring(self, bell: str | bytes) -> None:
        """Wake one consumer that waits at a bell, or the next one that comes."""
        self._client.zadd(bell, {"": 0})
        self._client.expire(bell, BELL_S)

    def _fetch_keys(self, wanted: Fetch) -> list[str]:
        own = [*self.keys.bookings, self.keys.holders, self.keys.leases(self.holder)]
        return [*own, *wanted.lists, *wanted.bells, self.keys.deadly]

    def _fetch_arguments(self, wanted: Fetch) -> list[Any]:
        turns = " ".join(map(str, wanted.turns))
        sizes = [wanted.room_bytes, wanted.first_bytes, wanted.message_bytes]
        deaths = [wanted.alone_from, wanted.max_deaths]
        own = ["01"[wanted.idle], self.holder, wanted.id, wanted.flags, turns, *deaths]
        return [len(wanted.lists), wanted.limit, *sizes, *own, *wanted.acknowledged]


def fetched(reply: list[Any]) -> list[tuple[int, str, bytes]]:
    """Give each message of a fetch's answer as (place of its list, tag, message); the tag is empty without booking."""
    flat = reply[1:]
    return [
        (number, as_text(tag), raw)
        for number, tag, raw in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    ]


@cache
def source(name: str) -> str:
    """Read the text of a script of this folder, after the functions of head.lua where it uses them."""
    script = (resources.files(__package__) / f"{name}.lua").read_text()
    return source("head") + script if name in _READS_HEADS else script


def as_text(value: Any) -> str:
    """Make text of any bytes. The connections of `reconnecting` write it as the same bytes again."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
