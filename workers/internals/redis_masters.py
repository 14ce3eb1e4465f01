"""Connections of redis-py that leave a server which stopped being the master: the one rule for a lost connection.

After a failover the old master may keep its sockets open. It then answers with errors, or answers reads from data that
nobody updates. redis-py (8.1) takes neither for the loss of the connection, so it would stay for ever. `redis.py` lists
the names of redis-py that are overridden here.
"""

from time import monotonic
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry


class NoMaster(RedisConnectionError):
    """The server is a replica, or is about to become something else. The connection to it is closed."""


#: What a lost connection raises: it is cut, it hangs, or its server is no master (`NoMaster`), or loads its data
#: (a ConnectionError of redis-py). ReadOnlyError comes from connections that are not made here.
LOST: Final = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OSError)
#: Errors of a server that is no master. UNBLOCKED ends a blocking command when a master becomes a replica.
_NO_MASTER: Final = {"READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED"}
#: Errors of a server that takes no writes now. It may be the right one, but the address may lead to another by now.
_REFUSING: Final = {"MISCONF", "NOREPLICAS", "OOM"}
_ABORTED: Final = "EXECABORT"
#: Seconds between two questions to a server whether it is still the master. Reads alone would never tell.
_ASK_EVERY_S: Final = 3.0


def is_lost(error: BaseException) -> bool:
    """Whether an error says that its connection is lost, or that its server is no master."""
    return isinstance(error, LOST) or bool(_codes(error) & _NO_MASTER)


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that a server takes no writes now, though it may be the right one."""
    return bool(_codes(error) & _REFUSING)


def _codes(error: BaseException) -> set[str]:
    """Return the words with which a server's error begins; that of a transaction names the reason after a colon."""
    if not isinstance(error, ResponseError):
        return set()
    told = str(error)
    code = error.status_code or told.partition(" ")[0]
    reason = told.partition(": ")[2].lstrip("-").partition(" ")[0] if code == _ABORTED else ""
    return {code, reason}


def _told(error: ResponseError) -> str:
    """Return a server's error as it was sent; redis-py takes the first word off."""
    return str(error) if error.status_code is None else f"{error.status_code} {error}"


def _is_replica(told: Any) -> bool:
    """Whether the answer to HELLO, a mapping or a flat list by protocol, says that the server is a replica."""
    if isinstance(told, list):
        told = dict(zip(told[::2], told[1::2], strict=False))
    if not isinstance(told, dict):
        return False
    role = told.get(b"role", told.get("role"))
    return role in (b"replica", "replica", b"slave", "slave")


def _refuse_replica(told: Any) -> None:
    """Raise NoMaster where the answer to HELLO says that the server is a replica."""
    if _is_replica(told):
        raise NoMaster("the server is a replica")


def leaving(kind: Any) -> Any:
    """Make a class of connections of the class `kind` that are lost where their server is no master."""

    class Connection(kind):  # type: ignore[misc]
        handshake_metadata: Any
        asks = True
        _ask_at = 0.0

        def on_connect_check_health(self, check_health: bool = True) -> None:
            self.handshake_metadata = None  # what another connection said, perhaps to another server
            super().on_connect_check_health(check_health)
            self._ask_at = monotonic() + _ASK_EVERY_S
            _refuse_replica(self.handshake_metadata)

        def check_health(self) -> None:
            super().check_health()
            if self._must_ask():
                self.send_command("HELLO", check_health=False)
                try:
                    _refuse_replica(self.read_response())
                except NoPermissionError:
                    self._ask_at = float("inf")
                except NoMaster:
                    self.disconnect()
                    raise

        def _must_ask(self) -> bool:
            """Whether to ask the server for its role now. One that never understood HELLO is not asked."""
            if not self.asks or not self.handshake_metadata or monotonic() < self._ask_at:
                return False
            self._ask_at = monotonic() + _ASK_EVERY_S
            return True

        def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                return super().read_response(*args, **options)
            except ResponseError as error:
                if is_lost(error):
                    self.disconnect()
                    raise NoMaster(_told(error)) from error
                if is_refusal(error):
                    self.mark_for_reconnect()  # after the answers to the rest of a pipeline
                raise

    return Connection


def writing(kind: Any) -> Any:
    """Make a class of connections that need not ask, of a class that `leaving` made: a replica refuses each command."""
    return type("Connection", (kind,), {"asks": False})


def client_of(url: str, **options: Any) -> "Redis":
    """Make a client of the server at this URL whose connections are `leaving`, with one more try where one is lost.

    A connection that hangs is not tried again: the caller has waited for its time-out already.
    """
    again = Retry(NoBackoff(), 1, (RedisConnectionError,))
    client: Redis = Redis.from_url(url, retry=again, **options)
    client.connection_pool.connection_class = leaving(client.connection_pool.connection_class)
    return client
