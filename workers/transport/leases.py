"""Leases: who holds which message. Each holder renews its own once a second, and hands on what dead holders held.

A holder is a consuming channel, named by its node, its process (pid and time of its start) and a number. A process of
this node is dead when the kernel does not know it. One of another node is dead when its score stayed the same in
`LEASE_BEATS` looks, one a second: the clocks of two machines are never compared.
"""

import contextlib
import itertools
import logging
import os
import platform
import re
import threading
import weakref
from pathlib import Path
from typing import Any, Final, Protocol

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError

from wasmfleet.workers.internals.redis_masters import writing
from wasmfleet.workers.node.liveness import started_ticks
from wasmfleet.workers.transport.keys import Keys
from wasmfleet.workers.transport.lookout import Look, Lookout
from wasmfleet.workers.transport.store import Store
from wasmfleet.workers.untrusted.redis_reads import skip

BEAT_S: Final = 1.0
_FIRST_BEAT_S: Final = 0.05  # soon, because nobody hears of messages without a bell before that
LEASE_BEATS: Final = 15
_ABANDONED_EVERY: Final = 60  # beats between two looks for what plain Celery workers abandoned
_HOLDER: Final = re.compile(r"(?P<node>[^|]*)\|(?P<process>(?P<pid>[0-9]{1,10}):[0-9]*)\|[0-9]+")
_ALL_EVERY: Final = 30  # beats between two looks at everything that is held, which may be much
_log = logging.getLogger("wasmfleet.transport")
_numbers = itertools.count()
_living: Final[set[str]] = set()


def _node() -> str:
    """Name this boot and pid namespace: within it, a pid and a start time belong to one process only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return platform.node().encode(errors="replace").decode()


NODE: Final = _node()


def process(pid: int) -> str | None:
    """Name a running process `pid:start in clock ticks`. Empty where it has ended; None where that cannot be seen."""
    try:
        ticks = started_ticks(pid)
    except OSError:
        return _without_proc(pid)
    return "" if ticks < 0 else f"{pid}:{ticks}"


def _without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:  # another user's, and /proc is mounted with hidepid
        return None
    return "" if Path("/proc/self/stat").exists() else f"{pid}:"


def new_holder() -> str:
    """Give a channel of this process a name under which it holds messages."""
    return f"{NODE}|{process(os.getpid())}|{next(_numbers)}"


class Leasing(Protocol):
    """The part of a consuming channel that its keeper uses."""

    active_queues: list[str]
    fetching: str
    qos: Any
    visibility_timeout: float

    @property
    def fails(self) -> bool: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def store(self) -> Store: ...

    @property
    def roles(self) -> list[str]: ...

    def look_of(self, roles: list[str]) -> Look:
        """Say what a lookout with these roles looks at."""

    def restore_unleased(self, tag: str) -> None:
        """Put back a message that a plain Celery worker took."""


class Keeper(threading.Thread):
    """A thread that renews one channel's leases and hands on what dead holders held, on a connection of its own."""

    def __init__(self, channel: "Leasing", options: dict[str, Any]) -> None:
        """Take a channel, and the options of its connections."""
        super().__init__(name="wasmfleet-leases", daemon=True)
        self._channel = weakref.ref(channel)
        kind = writing(options["connection_class"])
        self._connections = ConnectionPool(**options | {"connection_class": kind})
        own, client = channel.store, Redis(connection_pool=self._connections)
        self._store = Store(client, channel.keys, own.holder, own.max_deaths)
        self._lookout = Lookout(options)
        self._roles: set[str] = set()  # what this holder has been the lookout of
        # Plain Celery workers on the same database take what was not renewed for so long for abandoned.
        self._touch_every = max(1, min(_ALL_EVERY, int(channel.visibility_timeout / 3)))
        self._ended = threading.Event()
        self._seen: dict[
            str, tuple[str, int]
        ] = {}  # of each holder its score, and in how many looks it was the same
        self._old: dict[str, str] = {}  # tags that looked abandoned a minute ago, with their scores
        self._beats = 0
        _living.add(self._store.holder)

    def run(self) -> None:
        pause_s = _FIRST_BEAT_S
        while not self._ended.wait(pause_s) and (channel := self._channel()) is not None:
            pause_s = BEAT_S
            try:
                if channel.fails:
                    self._store.heal(channel.active_queues)
                self._beat(channel)
            except (RedisError, OSError):
                pass  # the next beat tries again
            except Exception:  # noqa: BLE001 - without this thread the living would look dead
                _log.exception("renewing leases failed; trying again in a second")
            del channel
        self._end()

    def end(self) -> None:
        """Hand back what is still held, and end the thread."""
        self._ended.set()
        self.join(2 * BEAT_S)

    def _end(self) -> None:
        _living.discard(self._store.holder)
        self._lookout.end()
        with contextlib.suppress(RedisError, OSError):
            self._hand_on(self._store.holder, score="")
        self._connections.disconnect()

    def _beat(self, channel: "Leasing") -> None:
        leases, roles, scores = self._store.renew(channel.roles)
        self._roles.update(roles)
        self._lookout.look_at(channel.look_of(roles) if roles else None)
        channel.qos.settle(self._store)  # in case the event loop stands still
        if self._beats % self._touch_every == 0:
            self._store.touch(channel.qos.held)
        if leases > len(channel.qos.held) or self._beats % _ALL_EVERY == 0:
            self._hand_on_strays(channel)
        for holder, score in scores.items():
            if holder != self._store.holder:
                self._look_at(holder, score)
        self._seen = {holder: seen for holder, seen in self._seen.items() if holder in scores}
        self._beats += 1
        if self._beats % _ABANDONED_EVERY == 0:
            self._hand_on_abandoned(channel)

    def _look_at(self, holder: str, score: str) -> None:
        try:
            if self._is_dead(holder, score):
                self._hand_on(holder, score)
        except ResponseError as error:  # what is wrong with one must not keep the others waiting
            skip("what is held by", holder, error)

    def _hand_on_strays(self, channel: "Leasing") -> None:
        """Hand on what is booked for this channel but never arrived: its answer was lost with a connection."""
        for tag, lease in self._store.leases(self._store.holder).items():
            # The fetch is looked at first: the channel notes its messages as held before it notes its end.
            if lease.fetch != channel.fetching and tag not in channel.qos.held:
                self._store.put_back(tag, lease, self._store.holder)

    def _is_dead(self, holder: str, score: str) -> bool:
        found = _HOLDER.fullmatch(holder)  # a name of another form is judged by its silence
        if found and found["node"] == NODE:
            pid, running = int(found["pid"]), found["process"]
            if pid == os.getpid():
                return holder not in _living
            if (seen := process(pid)) is not None:
                return seen != running
        before, unchanged = self._seen.get(holder, ("", 0))
        unchanged = unchanged + 1 if score == before else 0
        self._seen[holder] = (score, unchanged)
        return unchanged >= LEASE_BEATS

    def _hand_on(self, holder: str, score: str) -> None:
        is_dead = holder != self._store.holder
        restored = [
            tag
            for tag, lease in self._store.leases(holder).items()
            if self._store.put_back(tag, lease, holder, score=score, lost=is_dead)
        ]
        if restored and is_dead:
            _log.warning("handed on %d messages that the lost worker %s held", len(restored), holder)
        self._store.forget(holder, score, () if is_dead else sorted(self._roles))

    def _hand_on_abandoned(self, channel: "Leasing") -> None:
        """Put back what plain Celery workers abandoned: held for longer than `visibility_timeout`, as kombu judges it,
        and untouched between two looks a minute apart."""
        now = self._store.abandoned(channel.visibility_timeout)
        for tag in [tag for tag, score in now.items() if self._old.get(tag) == score]:
            try:
                channel.restore_unleased(tag)
            except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
                skip("the abandoned message", tag, error)
                self._store.unlist(tag)
        self._old = now
