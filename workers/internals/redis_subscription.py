"""A connection to Redis that only subscribes: no reconnecting behind the caller's back, and a socket to wait for.

redis-py's own `PubSub` connects again by itself when a connection is lost, and what was published meanwhile is missed
without a word. This one raises, so that its owner knows when to look at what is stored. `redis.py` lists the names.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from wasmfleet.workers.internals.redis import socket_of

#: Channels in one command, so that no command of a client with thousands of calls is large.
_MOST_CHANNELS: Final = 1000


class Subscription:
    """One connection in the state of a subscriber. Every method raises what redis-py raises for a lost connection."""

    def __init__(self, connection: Any) -> None:
        """Open `connection`, a connection of redis-py that speaks RESP2 and makes no health checks of its own."""
        self._connection = connection
        connection.connect()

    @property
    def socket(self) -> Any:
        """The socket, readable when `messages` has something to give."""
        return socket_of(self._connection)

    def subscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for what is published on these channels; each is confirmed by a message of the kind `subscribe`."""
        self._send("SUBSCRIBE", list(channels))

    def unsubscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for no more from these channels."""
        self._send("UNSUBSCRIBE", list(channels))

    def ping(self) -> None:
        """Ask for a sign of life, which `messages` gives as a message of the kind `pong`."""
        self._connection.send_command("PING", check_health=False)

    def messages(self) -> Iterator[tuple[bytes, bytes, Any]]:
        """Give what has arrived, without waiting for more: kind, channel and content of each message."""
        while self._connection.can_read(timeout=0):
            match self._connection.read_response():
                case [bytes(kind), bytes(channel), content]:
                    yield kind, channel, content
                case _:  # the answer to a ping has no channel
                    yield b"pong", b"", None

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _send(self, command: str, channels: list[bytes]) -> None:
        for start in range(0, len(channels), _MOST_CHANNELS):
            some = channels[start : start + _MOST_CHANNELS]
            self._connection.send_command(command, *some, check_health=False)
