"""The work of the listening thread: subscribe, hear, read what is stored, and begin again when the store is lost."""

import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from celery import states
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from wasmfleet.workers.errors import BrokerUnavailable
from wasmfleet.workers.internals.redis_subscription import Subscription
from wasmfleet.workers.records import stored
from wasmfleet.workers.records.results import PROBE, most_bytes
from wasmfleet.workers.records.waiters import Waiters

_IDLE_S: Final = 30.0  # without anybody who waits; then the connections are closed
_SILENCE_S: Final = 5.0  # after it the store is pinged; after twice as long it is lost
_AGAIN_S: Final = (0.1, 1.0)  # between two attempts to connect
#: How often everything that is waited for is looked up: a result that was stored and not published is found so.
_SWEEP_S: Final = 5.0
_KEYS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 1 << 20
_REFUSALS: Final = (AuthenticationError, AuthorizationError, NoPermissionError)


class Refused(Exception):
    """The store answers, and does not let this client read results; trying again gives the same."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.error = BrokerUnavailable(f"the store of results refuses this client: {reason}")


class Reader:
    """What the listening thread does, with two connections: one that is subscribed, and one that reads."""

    def __init__(self, waiters: Waiters, backend: Any) -> None:
        self._waiters, self._backend = waiters, backend
        self._confirmed: set[bytes] = set()
        self._found: dict[bytes, dict[str, Any]] = {}

    def serve(self) -> None:
        """Wait for somebody who waits, and serve until nobody has for some time. Raises Refused."""
        self._waiters.wake.wait(None, None)
        while self._waiters.awaited():
            try:
                with self._connected() as (subscription, store):
                    self._serve(subscription, store)
            except _REFUSALS as error:
                raise Refused(error) from None
            except (RedisError, OSError):
                # It is away, or a replica by now; whoever waits has their own time limit.
                time.sleep(random.uniform(*_AGAIN_S))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[tuple[Subscription, Any]]:
        """Connect anew, ask for everything that is waited for, and have all of it read: some may be there already."""
        once = Retry(NoBackoff(), 0)
        store = self._backend.another_client(retry=once)
        own = self._backend.another_client(retry=once, protocol=2, health_check_interval=0)
        try:
            subscription = Subscription(own.connection_pool.make_connection())
            try:
                self._confirmed.clear()
                self._waiters.take_changes()
                awaited = self._waiters.awaited()
                subscription.subscribe(awaited)
                self._waiters.look(awaited)
                yield subscription, store
            finally:
                subscription.close()
        finally:
            store.connection_pool.disconnect()

    def _serve(self, subscription: Subscription, store: Any) -> None:
        times = _Times()
        while not times.idle_s > _IDLE_S:
            self._change(subscription)
            for kind, channel, content in subscription.messages():
                times.heard()
                self._take(kind, channel, content)
            self._read(store, self._waiters.take_unread(self._confirmed))
            self._hand_on()
            if self._waiters.awaited():
                times.in_use()
            self._keep_up(times, subscription, store)
            self._waiters.wake.wait(subscription.socket, 1.0)

    def _change(self, subscription: Subscription) -> None:
        wanted, left = self._waiters.take_changes()
        subscription.subscribe(key for key in wanted if key not in self._confirmed)
        subscription.unsubscribe(left)
        self._confirmed.difference_update(left)
        for key in wanted:
            if key in self._confirmed:  # a second waiter for one result
                self._waiters.subscribed(key)

    def _take(self, kind: bytes, channel: bytes, content: Any) -> None:
        if kind == b"subscribe":
            self._confirmed.add(channel)
            self._waiters.subscribed(channel)
        elif kind == b"unsubscribe":
            self._confirmed.discard(channel)
        elif kind == b"message":
            self._hear(channel, content)

    def _hear(self, key: bytes, content: bytes) -> None:
        """Take a published result. What is none means that there is something to read: anybody may publish, and a
        large result is not published itself."""
        meta = self._backend.decode_result(content)
        if meta.get("task_id") and meta["status"] in states.READY_STATES:
            self._found[key] = meta
        else:
            self._waiters.look([key])

    def _read(self, store: Any, keys: Sequence[bytes]) -> None:
        """Read what is stored under these keys: small results many at a time, large ones each for itself."""
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some, sizes = keys[start : start + _KEYS_AT_ONCE], []
            with store.pipeline(transaction=False) as pipe:
                for key in some:
                    pipe.strlen(key)
                sizes = pipe.execute(raise_on_error=False)
            for group in _groups([(key, size) for key, size in zip(some, sizes, strict=True) if size]):
                self._read_group(store, group)
                self._hand_on()

    def _read_group(self, store: Any, keys: Sequence[bytes]) -> None:
        with store.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(key, 0, most_bytes())
            answers = pipe.execute(raise_on_error=False)
        for key, content in zip(keys, answers, strict=True):
            if no_text := stored.no_text(content):
                self._found[key] = {"status": states.FAILURE, "result": no_text}
            elif isinstance(content, Exception):
                raise content
            elif content:
                self._found[key] = self._backend.decode_result(content)

    def _hand_on(self) -> None:
        found, self._found = self._found, {}
        if found:
            self._waiters.deliver(found)

    def _keep_up(self, times: "_Times", subscription: Subscription, store: Any) -> None:
        """Notice a store that has gone silent or become a replica, and results that were stored and not published."""
        if times.silent_s > 2 * _SILENCE_S:
            raise RedisTimeoutError("the store of results has gone silent")
        if times.is_due("ping", _SILENCE_S):
            subscription.ping()
            with contextlib.suppress(NoPermissionError):
                store.expire(PROBE, 60)  # a write that changes nothing, which a replica refuses
        if times.is_due("sweep", _SWEEP_S):
            self._waiters.look(self._waiters.awaited())


class _Times:
    """When something was heard, when somebody waited, and when each regular thing was done, in monotonic seconds."""

    def __init__(self) -> None:
        now = time.monotonic()
        self._heard = self._used = now
        self._done = {"ping": now, "sweep": now}

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._heard

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._used

    def heard(self) -> None:
        self._heard = time.monotonic()

    def in_use(self) -> None:
        self._used = time.monotonic()

    def is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._done[what] < every_s:
            return False
        self._done[what] = now
        return True


def _groups(sized: Sequence[tuple[bytes, Any]]) -> Iterator[list[bytes]]:
    """Cut keys into groups whose values have a mebibyte together, or one value; a size may be an error."""
    group: list[bytes] = []
    group_bytes = 0
    for key, size in sized:
        size_bytes = size if isinstance(size, int) else 0
        if group and group_bytes + size_bytes > _BYTES_AT_ONCE:
            yield group
            group, group_bytes = [], 0
        group.append(key)
        group_bytes += size_bytes
    if group:
        yield group
