"""What a channel holds: messages that were fetched and whose end the broker does not know yet.

An acknowledgement waits for the next fetch to carry it, which saves a round trip for each message.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from redis.exceptions import RedisError

from wasmfleet.workers.internals.kombu import RedisQoS
from wasmfleet.workers.transport.messages import LOST, waits
from wasmfleet.workers.transport.store import ANY, Store

_MOST_TAGS: Final = 1000  # that one command carries
_FETCH_BYTES: Final = 16 << 20  # that one fetch may bring
_SOON: Final = timedelta(seconds=1)


class Held:
    """The delivery tags of the messages that a channel holds, and their sizes. Safe between threads."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self.size_bytes = 0

    def add(self, tag: str, size_bytes: int) -> None:
        """Note a message that was taken from its list."""
        with self._lock:
            self._sizes[tag] = size_bytes
            self.size_bytes += size_bytes

    def discard(self, *tags: str) -> None:
        """Forget messages; those that are not held are passed over."""
        with self._lock:
            self.size_bytes -= sum(self._sizes.pop(tag, 0) for tag in tags)

    def put_off(self, tag: str) -> None:
        """Stop counting a message's bytes: it waits for its time, perhaps for days, and must not keep others out."""
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


class QoS(RedisQoS):
    """Kombu's record of unanswered messages (5.7), without its bookings in Redis: the fetch has made them already.

    `held` has every message that this channel answers for: delivered, or acknowledged without the broker knowing yet.
    The keeper hands on what is booked for the channel and not held; see `leases`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = Held()
        self._suspect = ""  # the message that nothing is taken beside
        self._broadcasts: set[str] = set()
        self._acknowledged: deque[str] = deque()  # tags that the broker is yet to be told
        self._telling: list[str] = []  # tags that the fetch under way carries

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note that a consumer was given a message."""
        if delivery_tag in self.held:
            self.note_delivered(message, delivery_tag)
        else:
            self._broadcasts.add(delivery_tag)  # only broadcasts come without a fetch
            super().append(message, delivery_tag)

    def room_bytes(self) -> int:
        """Bytes of messages that the next fetch may bring."""
        if self._suspect in self.held:
            return 0
        most = self.channel.held_bytes
        return min(_FETCH_BYTES, most - self.held.size_bytes) if most else _FETCH_BYTES

    def first_room_bytes(self) -> int:
        """Bytes that the first message of the next fetch may have.

        With a limit on what is held, only an idle channel takes a message that is larger than its room.
        """
        if self.channel.held_bytes and self.held.size_bytes:
            return self.room_bytes()
        return max(self.room_bytes(), self.channel.message_bytes or ANY)

    def watch(self, tag: str, headers: Any) -> None:
        """Take nothing beside a message that several workers died with, so that a further death is its doing.

        A message that waits for its time keeps no other out.
        """
        headers = headers or {}
        lost = headers.get(LOST)
        if isinstance(lost, int) and lost >= self.channel.alone_from:
            self._suspect = tag
        if "eta" in headers and waits(headers, _SOON):
            self.put_off(tag)

    def put_off(self, tag: str) -> None:
        """Let a message that waits for its time keep no other from being taken."""
        self.held.put_off(tag)
        if tag == self._suspect:
            self._suspect = ""

    def ack(self, delivery_tag: str) -> None:
        """Let the next fetch tell the broker; where no event loop would send one soon, tell it now."""
        if self.channel.connection is None:
            return  # the channel is closed: what it held was handed on
        if delivery_tag in self._broadcasts:
            self._broadcasts.discard(delivery_tag)
            super().ack(delivery_tag)
            return
        self._acknowledged.append(delivery_tag)
        self.note_settled(delivery_tag)
        if threading.get_ident() != self.channel.connection.cycle.thread:
            # If the broker cannot be told, the keeper's next beat tells it.
            with contextlib.suppress(RedisError, OSError):
                self.settle()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Drop a message, or put it back last in line."""
        if not requeue:
            self.ack(delivery_tag)
            return
        self.hand_back(delivery_tag, last=True)
        self.note_settled(delivery_tag)

    def give_back(self, delivery_tag: str) -> None:
        """Put a delivered message back, first in line, for a channel that has room for it."""
        self.hand_back(delivery_tag)
        self.note_settled(delivery_tag)

    def take(self) -> list[str]:
        """Give the acknowledged tags that the next fetch is to carry."""
        self._telling = self._next_acknowledged()
        return self._telling

    def confirm(self) -> None:
        """Note that the broker has dropped the messages whose tags were taken last."""
        self.held.discard(*self._telling)
        self._telling = []

    def take_back(self) -> None:
        """Let the next fetch carry the tags taken last once more: nobody knows whether the broker got them."""
        self._acknowledged.extendleft(self._telling)
        self._telling = []

    def settle(self, store: Store | None = None) -> None:
        """Tell the broker of acknowledgements now. Raises redis.RedisError, and OSError."""
        while tags := self._next_acknowledged():
            try:
                (store or self.channel.store).settle(tags)
            except BaseException:
                self._acknowledged.extendleft(tags)
                raise
            self.held.discard(*tags)

    def settle_unless_a_fetch_will(self) -> None:
        """Tell the broker of acknowledgements now where no fetch can be sent that would carry them."""
        if self._acknowledged and (self.channel.awaited or not self.can_consume()):
            self.settle()

    def _next_acknowledged(self) -> list[str]:
        tags: list[str] = []
        with contextlib.suppress(IndexError):
            while len(tags) < _MOST_TAGS:
                tags.append(self._acknowledged.popleft())
        return tags

    def restore_unacked(self, client: Any = None) -> None:
        """Forget what is held. Kombu calls this when the channel closes; the end of its keeper then hands it on."""
        self.forget_delivered()
        self.held.discard(*self.held)

    def hand_back(self, tag: str, *, last: bool = False) -> None:
        """Put a held message back into its list, first in line unless `last`."""
        store = self.channel.store
        self.held.discard(tag)
        with contextlib.suppress(
            RedisError, OSError
        ):  # if it fails, the keeper finds the message and hands it on
            if lease := store.lease(tag):
                store.put_back(tag, lease, store.holder, last=last)
