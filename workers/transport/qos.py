"""What a channel holds: fetched and not yet settled; acknowledgements wait for the next fetch to carry them."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from redis.exceptions import RedisError

from wasmfleet.workers.transport import stock
from wasmfleet.workers.transport.messages import LOST
from wasmfleet.workers.transport.store import Store

_MOST_TAGS: Final = 1000
_FETCH_BYTES: Final = 16 << 20
#: Bytes of messages that a channel may hold, for they are in its process's memory.
HELD_BYTES: Final = 48 << 20
SUSPECT_FROM: Final = 2  # as in fetch.lua


class Held:
    """The tags that a channel answers for, and the bytes of their messages. Safe between threads."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self.size_bytes = 0

    def add(self, tag: str, size_bytes: int) -> None:
        """Notes a message that was taken."""
        with self._lock:
            self._sizes[tag] = size_bytes
            self.size_bytes += size_bytes

    def discard(self, *tags: str) -> None:
        """Forgets messages."""
        with self._lock:
            self.size_bytes -= sum(self._sizes.pop(tag, 0) for tag in tags)

    def put_off(self, tag: str) -> None:
        """Counts a message's bytes no more: it waits for its time, and the others are not to wait for it."""
        with self._lock:
            if tag in self._sizes:
                self.size_bytes -= self._sizes[tag]
                self._sizes[tag] = 0

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._sizes))

    def __contains__(self, tag: str) -> bool:
        return tag in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)


class QoS(stock.redis.QoS):  # type: ignore[misc]
    """Kombu's bookkeeping without its bookings, which the fetch has made already.

    `held` has every tag that this channel answers for: delivered, or acknowledged and not yet told.
    What is booked for the channel but not held is handed on; see leases.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = Held()
        self._suspect = ""
        self._broadcasts: set[str] = set()
        self._acknowledged: deque[str] = deque()
        self._telling: list[str] = []

    def append(self, message: Any, delivery_tag: str) -> None:
        if delivery_tag in self.held:
            stock.virtual.QoS.append(self, message, delivery_tag)
        else:
            self._broadcasts.add(delivery_tag)  # which are not fetched
            super().append(message, delivery_tag)

    def room_bytes(self) -> int:
        """Bytes of messages that may be taken now."""
        return 0 if self._suspect in self.held else min(_FETCH_BYTES, HELD_BYTES - self.held.size_bytes)

    def watch(self, tag: str, headers: Any) -> None:
        """Takes nothing beside a message that several workers died with, or its next death would prove nothing."""
        lost = (headers or {}).get(LOST)
        if isinstance(lost, int) and lost >= SUSPECT_FROM:
            self._suspect = tag

    def put_off(self, tag: str) -> None:
        """Lets a message that waits for its time keep no other from being taken."""
        self.held.put_off(tag)
        if tag == self._suspect:
            self._suspect = ""

    def has(self, delivery_tag: str) -> bool:
        """Whether a consumer was given this message and has not answered."""
        return delivery_tag in self._delivered and delivery_tag not in self._dirty

    def ack(self, delivery_tag: str) -> None:
        if self.channel.connection is None:
            return  # the channel is closed: what it held was handed on
        if delivery_tag in self._broadcasts:
            self._broadcasts.discard(delivery_tag)
            super().ack(delivery_tag)
            return
        self._acknowledged.append(delivery_tag)
        stock.virtual.QoS.ack(self, delivery_tag)
        if threading.get_ident() != self.channel.connection.cycle.thread:
            # No turn of the event loop follows soon. If the broker cannot be told, the keeper tells it.
            with contextlib.suppress(RedisError, OSError):
                self.settle()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not requeue:
            self.ack(delivery_tag)
            return
        self.hand_back(delivery_tag, last=True)
        stock.virtual.QoS.ack(self, delivery_tag)

    def give_back(self, delivery_tag: str) -> None:
        """Puts a delivered message back, first in line, for whoever has room for it."""
        self.hand_back(delivery_tag)
        stock.virtual.QoS.ack(self, delivery_tag)

    def take(self) -> list[str]:
        """Acknowledged tags for a fetch to carry."""
        self._telling = self._next_acknowledged()
        return self._telling

    def confirm(self) -> None:
        """The broker has dropped the tags taken last."""
        self.held.discard(*self._telling)
        self._telling = []

    def take_back(self) -> None:
        """Nobody knows whether the broker got the tags taken last; they are told again."""
        self._acknowledged.extendleft(self._telling)
        self._telling = []

    def settle(self, store: Store | None = None) -> None:
        """Tells the broker of acknowledgements now."""
        while tags := self._next_acknowledged():
            try:
                (store or self.channel.store).settle(tags)
            except BaseException:
                self._acknowledged.extendleft(tags)
                raise
            self.held.discard(*tags)

    def settle_unless_a_fetch_will(self) -> None:
        if self._acknowledged and (self.channel._in_poll or not self.can_consume()):
            self.settle()

    def _next_acknowledged(self) -> list[str]:
        tags: list[str] = []
        with contextlib.suppress(IndexError):
            while len(tags) < _MOST_TAGS:
                tags.append(self._acknowledged.popleft())
        return tags

    def restore_unacked(self, client: Any = None) -> None:
        """Gives up what is held; the end of the channel's keeper hands it on."""
        self._delivered.clear()
        self.held.discard(*self.held)

    def hand_back(self, tag: str, *, last: bool = False) -> None:
        """Puts a held message back into its list, first in line unless `last`."""
        store = self.channel.store
        self.held.discard(tag)
        with contextlib.suppress(RedisError, OSError):  # if the broker cannot be told, the keeper finds it
            if lease := store.lease(tag):
                store.put_back(tag, lease, store.holder, last=last)
