"""The part of a channel that loses the broker and finds it again, without the consumer above noticing."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from wasmfleet.workers.transport import stock

if TYPE_CHECKING:
    from wasmfleet.workers.transport.poller import Poller

#: What a cut, hung or failed-over connection raises.
LOST: Final = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OSError)
_BROADCAST_S: Final = 1.0  # a broadcast that has begun to arrive is whole by then
_OVERDUE_S: Final = 3.0  # an answer this late is not expected any more
_SAY_EVERY: Final = 60  # tries, about a minute
_RETRY_S: Final = (0.0, 0.1, 0.2, 0.5, 1.0)
_log = logging.getLogger("wasmfleet.transport")


class Reconnecting(stock.redis.Channel):  # type: ignore[misc]
    """Kombu's channel, tended once a turn of the event loop."""

    _failures = 0
    _unread = False  # an overdue answer was there in the turn before
    _retry_at = 0.0

    @property
    def fails(self) -> bool:
        """Whether the last thing that was asked of the broker was in vain."""
        return self._failures > 0

    @cached_property
    def subclient(self) -> Any:
        """The connection of broadcasts. Kombu reads it without a time limit, and redis-py reconnects within the
        read: a worker whose broker was restarted would wait there for the next broadcast."""
        client = self._create_client(asynchronous=True).pubsub()
        client.parse_response = partial(client.parse_response, block=False, timeout=_BROADCAST_S)
        return client

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = super()._connparams(asynchronous)
        # What others wrote comes as text with its odd bytes escaped, and goes back as these bytes.
        odd = {"encoding_errors": "surrogateescape"}
        return found | odd | {"connection_class": _unwatched_once_closed(found["connection_class"], self)}

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Kombu's way to its client. Where one connection is lost, the idle ones are not waited for in their turn."""
        try:
            with super().conn_or_acquire(client) as acquired:
                yield acquired
        except LOST as error:
            self.lose(error)
            raise

    def tend(self, cycle: "Poller") -> None:
        """What a turn of the event loop does for this channel. A lost connection is tried again later."""
        if monotonic() < self._retry_at:
            return
        try:
            self._tend(cycle)
        except (*LOST, ResponseError) as error:  # one that answers with errors may be better soon
            self.lose(error)

    def _tend(self, cycle: "Poller") -> None:
        self._expect_an_answer()
        if not self.fetching:
            self.qos.settle_unless_a_fetch_will()
        if self.active_queues and self.qos.can_consume():
            cycle._register_BRPOP(self)
        if self.active_fanout_queues:
            cycle._register_LISTEN(self)

    def _expect_an_answer(self) -> None:
        overdue = bool(self._in_poll) and monotonic() - self._brpop_sent_at > _OVERDUE_S
        if overdue and not _readable(self._in_poll):
            raise RedisTimeoutError("no answer to a fetch")
        if overdue and self._unread and self.qos.can_consume():
            raise RedisTimeoutError("an answer to a fetch is there, and the event loop does not see it")
        self._unread = overdue

    def lose(self, error: Exception) -> None:
        """Notes a lost connection; what its answer carried comes back through the leases."""
        if self._failures % _SAY_EVERY == 0:
            _log.warning("the broker does not serve, trying again: %s", str(error) or repr(error))
        pause_s = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
        self._retry_at = monotonic() + uniform(0.5, 1.5) * pause_s
        self._failures += 1
        for client in (self.__dict__.get("client"), self.__dict__.get("subclient")):
            if client is not None and client.connection is not None:
                client.connection.disconnect()
        if self._pool is not None:
            self._pool.disconnect()  # its idle connections are no better

    def _found(self) -> None:
        if self._failures:
            _log.warning("the broker is back after %d tries", self._failures)
        self._failures = 0


def _unwatched_once_closed(kind: Any, channel: Reconnecting) -> Any:
    """The class of connections, whose poller looks away before they close. A socket that is only closed stays in an
    epoll set while a child that was forked meanwhile holds it too: hung up for ever, in every turn of the loop."""

    class Connection(kind):  # type: ignore[misc]
        def disconnect(self, *args: Any, **kwargs: Any) -> None:
            if self._sock is not None and self.pid == os.getpid() and channel.connection is not None:
                channel.connection.cycle.look_away(self._sock)
            super().disconnect(*args, **kwargs)

    return Connection


def _readable(connection: Any) -> bool:
    return connection._sock is not None and bool(stock.redis._socket_readable(connection._sock))
