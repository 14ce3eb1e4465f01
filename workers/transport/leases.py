"""Who holds which message: leases renewed each second, and the messages of the dead handed on.

A holder is a consuming channel: its node, its process with that one's start, and a number. A process of this
node is dead when the kernel does not know it; one elsewhere when its score did not change in `LEASE_BEATS`
looks of ours, one a second. No clock of two machines is ever compared.
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

from wasmfleet.workers.node.liveness import started_ticks
from wasmfleet.workers.transport.store import Keys, Store
from wasmfleet.workers.untrusted.redis_reads import skip

BEAT_S: Final = 1.0
LEASE_BEATS: Final = 15
_ABANDONED_EVERY: Final = 60  # beats
_HOLDER: Final = re.compile(r"(?P<node>[^|]*)\|(?P<process>(?P<pid>[0-9]{1,10}):[0-9]*)\|[0-9]+")
_ALL_EVERY: Final = 30  # beats; all that is held is looked at, and that may be much
_log = logging.getLogger("wasmfleet.transport")
_numbers = itertools.count()
_living: Final[set[str]] = set()


def _node() -> str:
    """This pid namespace of this boot, in which a pid and a start time are one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return platform.node()


NODE: Final = _node()


def process(pid: int) -> str | None:
    """A running process as `pid:start in clock ticks`; empty for one that is gone, None where that is not shown."""
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
    """A name for a channel of this process that begins to consume."""
    return f"{NODE}|{process(os.getpid())}|{next(_numbers)}"


class Leasing(Protocol):
    """What a keeper needs of the consuming channel whose leases it renews."""

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

    def restore_unleased(self, tag: str) -> None:
        """Put back what a plain Celery worker took."""


class Keeper(threading.Thread):
    """The thread, with a connection of its own, that renews one channel's leases and hands on dead holders'."""

    def __init__(self, channel: "Leasing", pool: ConnectionPool) -> None:
        super().__init__(name="wasmfleet-leases", daemon=True)
        self._channel, self._pool = weakref.ref(channel), pool
        self._store = Store(Redis(connection_pool=pool), channel.keys, channel.store.holder)
        self._ended = threading.Event()
        self._seen: dict[str, tuple[str, int]] = {}
        self._old: dict[str, str] = {}
        self._beats = 0
        _living.add(self._store.holder)

    def run(self) -> None:
        while not self._ended.wait(BEAT_S) and (channel := self._channel()) is not None:
            try:
                if channel.fails:
                    self._store.heal(channel.active_queues)
                self._beat(channel)
            except (RedisError, OSError):
                pass  # the next beat tries again
            except Exception:  # noqa: BLE001 - without this thread the living would look dead
                _log.exception("a beat failed; the next one tries again")
            del channel
        self._end()

    def end(self) -> None:
        """Hands back what is still held, and ends."""
        self._ended.set()
        self.join(2 * BEAT_S)

    def _end(self) -> None:
        _living.discard(self._store.holder)
        with contextlib.suppress(RedisError, OSError):
            self._hand_on(self._store.holder, score="")
        self._pool.disconnect()

    def _beat(self, channel: "Leasing") -> None:
        leases, scores = self._store.renew()
        channel.qos.settle(self._store)  # when no turn of the event loop does
        if self._beats % _ALL_EVERY == 0:
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
        except ResponseError as error:  # the others are not to wait for what is wrong with one
            skip("what is held by", holder, error)

    def _hand_on_strays(self, channel: "Leasing") -> None:
        """What is booked for this channel but never arrived: its fetch's answer was lost with a connection."""
        for tag, lease in self._store.leases(self._store.holder).items():
            # In this order: a fetch is over only after its messages are held.
            if lease.fetch != channel.fetching and tag not in channel.qos.held:
                self._store.put_back(tag, lease, self._store.holder)

    def _is_dead(self, holder: str, score: str) -> bool:
        found = _HOLDER.fullmatch(holder)  # what is no name of ours is judged by its silence
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
        self._store.forget(holder, score)

    def _hand_on_abandoned(self, channel: "Leasing") -> None:
        """As kombu does for plain Celery workers, but only what two looks a minute apart found untouched."""
        now = self._store.abandoned(channel.visibility_timeout)
        for tag in [tag for tag, score in now.items() if self._old.get(tag) == score]:
            try:
                channel.restore_unleased(tag)
            except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
                skip("the abandoned message", tag, error)
                self._store.unlist(tag)
        self._old = now
