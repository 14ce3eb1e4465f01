"""Remote control: which of the orders that reach a worker it obeys, and how it answers.

Whoever reaches the broker can broadcast an order to every worker. By default a worker obeys orders that only read, that
cancel calls which have not begun, that turn events on or off, and `wasmfleet drain`; `orders.py` lists them.
`WASMFLEET_REMOTE_CONTROL=all` lets it obey every order that Celery knows.
"""

import logging
from typing import Annotated, Any, Final

import msgspec
from celery.app import control as _client
from kombu import matcher as _matcher
from kombu import pidbox as _pidbox
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from wasmfleet.config.settings import settings
from wasmfleet.workers.errors import BrokerUnavailable
from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.reception import orders

MOST_BYTES: Final = 1 << 20
_MOST_NAMES: Final = 10_000
_MOST_CLOCK: Final = 1 << 53  # what JSON readers in other languages can count to
_log = logging.getLogger("wasmfleet.remote")

# Untyped: the type stubs describe older ones.
client: Final[Any] = _client
pidbox: Final[Any] = _pidbox
match: Final[Any] = _matcher.match

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class _ReplyTo(msgspec.Struct):
    exchange: _Word
    routing_key: _Word


class _Order(msgspec.Struct):
    """A broadcast in the form in which kombu's mailbox sends it (5.7, pidbox.py)."""

    method: _Word
    arguments: dict[str, Any] | None = None
    destination: Annotated[list[str], msgspec.Meta(max_length=_MOST_NAMES)] | None = None
    pattern: _Word | None = None
    matcher: _Word | None = None
    ticket: _Word | None = None
    reply_to: _ReplyTo | None = None


class Refused(Exception):
    """An order that is not obeyed; the message says why, and what allows it."""


class Node(pidbox.Node):  # type: ignore[misc]
    """Kombu's node (5.7, pidbox.py), which obeys allowed orders only and takes any broadcast without harm.

    Kombu's obeys every order, and one of a strange form makes Celery open the mailbox anew. Celery 5.7 calls `listen`
    and `handle_message` (worker/pidbox.py). Both are replaced, so that what they call in kombu is not used.
    """

    def listen(self, channel: Any = None, callback: Any = None) -> Any:
        """Listen for broadcasts as kombu does, but check the size of each before it is decoded."""

        def on_message(message: Any) -> None:
            body = _decoded(message)
            if body is not None:
                callback(body, message)

        consumer = self.Consumer(channel=channel, on_message=on_message)
        consumer.consume()
        return consumer

    def handle_message(self, body: Any, message: Any = None) -> None:
        """Obey an order and answer it, or answer why it is refused. Raises SystemExit for an obeyed `shutdown`."""
        try:
            order = msgspec.convert(body, _Order)
        except (ValueError, RecursionError) as error:
            _log.warning("a broadcast that is no order is dropped: %s", error)
            return
        self._adjust_clock(message)
        try:
            if self._is_meant(order):
                self._answer(order, self._obeyed(order))
        except Refused as error:
            _log.warning("%s", error)
            self._answer(order, {"error": str(error)})

    def _adjust_clock(self, message: Any) -> None:
        clock = (getattr(message, "headers", None) or {}).get("clock")
        if type(clock) is int and 0 <= clock < _MOST_CLOCK:
            self.adjust_clock(clock)

    def _is_meant(self, order: _Order) -> bool:
        if order.destination:
            return self.hostname in order.destination
        if not order.pattern or not order.matcher:
            return True
        # A regular expression can be written so that matching it never ends.
        if order.matcher != "glob" and settings().remote_control != "all":
            raise Refused(_not_allowed(f"the matcher {order.matcher!r}"))
        return bool(match(self.hostname, order.pattern, order.matcher))

    def _obeyed(self, order: _Order) -> Any:
        """Return what the order's handler answers. Raises Refused."""
        if order.method not in self.handlers:
            raise Refused(f"there is no remote command {order.method!r}")
        arguments = _checked(order)
        own = None if arguments.get("terminate") else orders.OWN.get(order.method)
        handler = own or self.handlers[order.method]
        try:
            return handler(self.state, **arguments)
        except Exception as error:  # noqa: BLE001 - SystemExit alone passes: it is how `shutdown` works
            raise Refused(f"the remote command {order.method!r} failed: {error!r}") from None

    def _answer(self, order: _Order, answer: Any) -> None:
        if order.reply_to is None or order.reply_to.exchange != self.mailbox.reply_exchange.name:
            return  # nobody waits for an answer, or it should go where answers do not belong
        try:
            self.reply(
                {self.hostname: answer}, order.reply_to.exchange, order.reply_to.routing_key, order.ticket
            )
        except Exception as error:  # noqa: BLE001 - whoever asked is away, or the broker is
            _log.warning("the remote command %r cannot be answered: %s", order.method, error)


class Mailbox(client.Mailbox):  # type: ignore[misc]
    """Celery's mailbox, whose node is ours."""

    node_cls = Node


class Control(client.Control):  # type: ignore[misc]
    """What Celery finds as `app.control`: its own, whose mailbox is ours, and whose `revoke` holds."""

    Mailbox = Mailbox

    def revoke(self, task_id: Any, destination: Any = None, **options: Any) -> Any:
        """Let calls not run that have not begun, as Celery does (`Control.revoke`, 5.7), in later workers too.

        Celery's tells only the workers that run now, and each forgets it at its end. `AsyncResult.revoke` comes here.
        Raises BrokerUnavailable where the store of the fleet's state does not answer.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        try:
            if ids and not destination:
                cancelled.note(ids)
            return super().revoke(ids, destination=destination, **options)
        except (OperationalError, RedisError) as error:
            raise BrokerUnavailable(
                f"the broker does not answer: {error}; nobody may know of the revoke"
            ) from error


def _decoded(message: Any) -> Any:
    """Return a broadcast's content, or None where it is too large or cannot be decoded."""
    size = len(message.body or b"")
    if size > MOST_BYTES:
        _log.warning("a broadcast of %d bytes is dropped unread", size)
        return None
    try:
        return message.decode()
    except Exception as error:  # noqa: BLE001 - decoders raise what they like
        _log.warning("a broadcast that cannot be read is dropped: %s", type(error).__name__)
        return None


def _checked(order: _Order) -> dict[str, Any]:
    """Return the arguments of an order that is obeyed. Raises Refused where it is not."""
    arguments = order.arguments or {}
    if settings().remote_control == "all":
        return arguments
    if order.method not in orders.SAFE:
        raise Refused(_not_allowed(f"the remote command {order.method!r}"))
    if order.method == "revoke" and arguments.get("terminate"):
        raise Refused(_not_allowed("to terminate running calls"))
    try:
        given = msgspec.convert(arguments, orders.SAFE[order.method])
    except (ValueError, RecursionError) as error:
        raise Refused(f"the remote command {order.method!r} is malformed: {error}") from None
    return {name: value for name, value in msgspec.structs.asdict(given).items() if name in arguments}


def _not_allowed(what: str) -> str:
    return f"{what} is not allowed here; WASMFLEET_REMOTE_CONTROL=all in this worker's environment allows it"
