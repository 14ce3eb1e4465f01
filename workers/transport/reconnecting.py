"""The part of a channel that reconnects to a lost broker, so that the consumer above it never has to restart."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from wasmfleet.workers.internals.kombu import RedisChannel, is_readable
from wasmfleet.workers.internals.redis import telling_before_close
from wasmfleet.workers.internals.redis_masters import LOST, NoMaster, leaving

if TYPE_CHECKING:
    from wasmfleet.workers.transport.poller import Poller

_BROADCAST_S: Final = 1.0  # a broadcast whose first bytes are there is complete within this time
_OVERDUE_S: Final = 3.0  # an answer that is later than it should be by this is taken for lost
_SAY_EVERY: Final = 60  # failures between two lines of the log: about a minute
_RETRY_S: Final = (0.0, 0.1, 0.2, 0.5, 1.0)  # pauses after the first failure, the second, …
_log = logging.getLogger("wasmfleet.transport")


class Reconnecting(RedisChannel):
    """A channel that the event loop tends once a turn, and that tries a lost connection again by itself."""

    _failures = 0
    _was_overdue = False  # in the turn before, an overdue answer had arrived but nobody had read it
    _retry_at = 0.0
    _must_leave = False  # another channel has found that the server is no master

    @property
    def fails(self) -> bool:
        """Whether the broker failed to serve the last request."""
        return self._failures > 0

    @cached_property
    def subclient(self) -> Any:
        """The connection of broadcasts, read with a time limit.

        Kombu 5.7 reads it without one, and redis-py reconnects inside the read: a worker whose broker was restarted
        would wait there until the next broadcast.
        """
        client = self.create_client(asynchronous=True).pubsub()
        client.parse_response = partial(client.parse_response, block=False, timeout=_BROADCAST_S)
        return client

    def connection_options(self, asynchronous: bool = False) -> dict[str, Any]:
        """The options of kombu's connections, but text keeps odd bytes, and the event loop hears of a closing socket.

        Bytes that are no UTF-8 come as surrogates, and go back as the same bytes.

        A socket leaves the event loop's epoll set before it closes. Were it only closed, a child that was forked
        meanwhile would still hold it, and its entry would report a hang-up in every turn of the loop.
        """
        found: dict[str, Any] = super().connection_options(asynchronous)
        kind = telling_before_close(leaving(found["connection_class"]), self._look_away)
        return found | {"encoding_errors": "surrogateescape", "connection_class": kind}

    def _look_away(self, socket: Any) -> None:
        if self.connection is not None:
            self.connection.cycle.look_away(socket)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Give kombu's code a client, and note when its connection is lost: the idle ones are then dropped at once.

        Otherwise each of them would be tried in turn, and each would have to time out.
        """
        try:
            with super().conn_or_acquire(client) as acquired:
                yield acquired
        except LOST as error:
            self.lose(error)
            raise

    def tend(self, cycle: "Poller") -> None:
        """Do for this channel what a turn of the event loop has to do. After a failure, pause first."""
        if self._must_leave:
            self._must_leave = False
            self.disconnect_clients()
        if monotonic() < self._retry_at:
            return
        try:
            self._tend(cycle)
        except (*LOST, ResponseError) as error:  # a broker that answers with errors may recover as well
            self.lose(error)

    def _tend(self, cycle: "Poller") -> None:
        self._check_overdue()
        if not self.fetching:
            self.qos.settle_unless_a_fetch_will()
        if self.active_queues and self.qos.can_consume():
            cycle.watch_fetches(self)
        if self.active_fanout_queues:
            cycle.watch_broadcasts(self)

    @property
    def patience_s(self) -> float:
        """Seconds after which the awaited answer is taken for lost."""
        return _OVERDUE_S

    def _check_overdue(self) -> None:
        """Raises redis.TimeoutError where an answer will not come, or has come and stays unread for a whole turn."""
        awaited = self.awaited
        overdue = bool(awaited) and self.awaited_for_s > self.patience_s
        if overdue and not is_readable(awaited):
            raise RedisTimeoutError("no answer to a fetch")
        if overdue and self._was_overdue and self.qos.can_consume():
            raise RedisTimeoutError("an answer to a fetch is there, and the event loop does not see it")
        self._was_overdue = overdue

    def lose(self, error: Exception) -> None:
        """Drop every connection of this channel after a failure, and pause before the next try.

        The messages of an answer that was lost with its connection come back through the leases.
        """
        if self._failures % _SAY_EVERY == 0:
            _log.warning("the broker does not serve, trying again: %s", str(error) or repr(error))
        pause_s = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
        self._retry_at = monotonic() + uniform(0.5, 1.5) * pause_s
        self._failures += 1
        self.disconnect_clients()
        if isinstance(error, NoMaster):
            for channel in self.connection.channels if self.connection else ():
                channel.leave()

    def leave(self) -> None:
        """Leave a server that is no master: idle connections now, those of the event loop in its next turn.

        A channel that only listens for broadcasts sends nothing that such a server would refuse.
        """
        self._must_leave = True
        self.pool.disconnect(inuse_connections=False)

    def note_success(self) -> None:
        """Note that the broker has answered."""
        if self._failures:
            _log.warning("the broker is back after %d tries", self._failures)
        self._failures = 0
