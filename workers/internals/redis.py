"""Private and undocumented parts of redis-py that Wasmfleet depends on, and the only code that touches them."""

import os
from collections.abc import Callable
from typing import Any, Final

from wasmfleet.workers.internals.named import Internal, within

READ_IN: Final = "8.1.0"
INTERNALS: Final[tuple[Internal, ...]] = (
    *within(
        "redis.connection:AbstractConnection.",
        ("_sock", "", "`socket_of`; None while the connection is closed"),
        ("pid", "", "the process that opened the connection, which alone may end it for the event loop"),
        (
            "disconnect",
            "(self, *args, **kwargs)",
            "overridden: the event loop is told before a socket closes",
        ),
        (
            "send_packed_command",
            "(self, command, check_health=True)",
            "a fetch is sent without a health check",
        ),
        (
            "read_response",
            "",
            "reads the answer to a fetch that was sent in an earlier turn of the event loop; `read_any`; overridden: "
            "an error of a server that is no master is a lost connection",
        ),
        (
            "on_connect_check_health",
            "(self, check_health: bool = True)",
            "overridden: no replica is accepted",
        ),
        ("check_health", "(self)", "overridden: asks now and then whether the server is still the master"),
        ("register_connect_callback", "(self, callback)", "tells that a subscription was opened again"),
        ("handshake_metadata", "", "the server's answer to HELLO, with its role"),
        ("mark_for_reconnect", "(self)", "lets a connection close after the command under way"),
    ),
    *within(
        "redis.connection:AbstractConnection.",
        ("send_command", "(self, *args, **kwargs)", "`Subscription` subscribes with it"),
        (
            "can_read",
            "(self, timeout: float = 0) -> bool",
            "`Subscription` reads what has arrived and no more",
        ),
    ),
    *within(
        "redis.client:",
        ("PubSub.parse_response", "(self, block=True, timeout=0)", "is given a time limit in kombu's place"),
        ("PubSub.connection", "", "disconnected when the broker is lost"),
        ("Redis.connection", "", "kombu keeps a channel's consuming connection there"),
    ),
    Internal("redis.connection:ConnectionPool.connection_class", "", "set: the class of new connections"),
    Internal("redis.exceptions:RedisError.status_code", "", "the first word of a server's error"),
    Internal("redis.commands.core:Script.sha", "", "names the fetch script in the command that is sent"),
)


def socket_of(connection: Any) -> Any:
    """Return the socket of a connection; None while it is closed."""
    return connection._sock


def read_any(connection: Any, timeout_s: float) -> Any:
    """Read what comes next on a connection that speaks RESP3.

    Gives an answer, or None where the broker told that a key has changed (CLIENT TRACKING).
    """
    return connection.read_response(push_request=True, timeout=timeout_s)


def telling_before_close(kind: Any, before_close: Callable[[Any], None]) -> Any:
    """Make a class of connections that calls `before_close` with its socket before it closes the socket.

    A forked child has copies of its parent's connections and closes them without this call, because the event loop that
    `before_close` tells belongs to the parent.
    """

    class Connection(kind):  # type: ignore[misc]
        def disconnect(self, *args: Any, **kwargs: Any) -> None:
            if self._sock is not None and self.pid == os.getpid():
                before_close(self._sock)
            super().disconnect(*args, **kwargs)

    return Connection
