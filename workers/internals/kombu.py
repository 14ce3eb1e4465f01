"""Private parts of kombu that Wasmfleet depends on, mostly of its Redis transport, and the only code that touches them.

The classes give kombu's private parts plain names. Where kombu calls one of its private methods, `RedisChannel` calls
a method with a plain name. It does what kombu's does, unless a subclass in `workers/transport/` overrides it.
"""

from collections.abc import Callable, Container
from time import monotonic
from typing import Any, Final

from kombu.transport import redis as _typed_redis
from kombu.transport import virtual as _typed_virtual

from wasmfleet.workers.internals.named import Internal, within
from wasmfleet.workers.internals.redis import socket_of

READ_IN: Final = "5.7.0"
INTERNALS: Final[tuple[Internal, ...]] = (
    *within(
        "kombu.transport.redis:Channel.",
        ("_brpop_start", "(self, timeout=None)", "overridden: `start_fetch`"),
        ("_brpop_read", "(self, **options)", "overridden: `read_fetch`"),
        ("_receive", "(self)", "overridden: `read_broadcasts`"),
        ("_handle_message", "(self, client, r)", "overridden: `parse_broadcast`; kombu decodes its `data`"),
        ("_get", "(self, queue)", "overridden: `take_one`"),
        ("_put", "(self, queue, message, **kwargs)", "overridden: `put` and `after_kombus_put`"),
        ("_delete", "(self, queue, exchange, routing_key, pattern, *args, **kwargs)", "`after_delete`"),
        ("_connparams", "(self, asynchronous=False)", "overridden: `connection_options`"),
        ("_create_client", "(self, asynchronous=False)", "overridden: `create_client`"),
        ("_disconnect_pools", "(self)", "overridden: `disconnect_pools`"),
        ("_update_queue_cycle", "(self)", "overridden: `update_queues`"),
        ("_on_connection_disconnect", "(self, connection)", "overridden: `forget_connection`"),
        ("_q_for_pri", "(self, queue, pri)", "`list_of`: the list of a queue for a priority"),
        ("_flush_brpop_reauth", "(self)", "`renew_credentials`, which kombu does after each answer"),
        ("_maybe_update_queues_expire", "(self, client, queue)", "`renew_expiry`; kombu's `_get` does it"),
        ("_in_poll", "", "`awaited`: the connection on which an answer to a fetch is awaited"),
        ("_brpop_sent_at", "", "`awaited_for_s`; kombu's own health check reads it too"),
        ("_in_listen", "", "`stop_listening` makes kombu subscribe again"),
        ("_expires", "", "queues whose lists expire; kombu's own `_put` renews that"),
        ("_pool", "", "its idle connections are dropped with a lost one"),
        ("basic_consume", "(self, queue, *args, **kwargs)", "overridden: notes what is not acknowledged"),
        ("basic_get", "(self, queue, no_ack=False, **kwargs)", "overridden: settles without acknowledgement"),
        ("basic_qos", "(self, prefetch_size=0, prefetch_count=0, apply_global=False)", "overridden"),
        ("basic_publish", "(self, message, exchange, routing_key, **kwargs)", "overridden: not if closed"),
        ("close", "(self)", "overridden: settles and hands back what is held first"),
        ("conn_or_acquire", "(self, client=None)", "overridden: notes a lost connection"),
        ("client", "", "kept in `__dict__` once made; its `connection` is the consuming one"),
        ("subclient", "", "overridden: reads broadcasts with a time limit; kept in `__dict__` once made"),
        ("active_queues", "", "the queues that are consumed from, without those of broadcasts"),
        ("active_fanout_queues", "", "the queues of broadcasts"),
        ("brpop_timeout", "", "set: seconds that the broker waits at most before it answers"),
        ("priority_steps", "", "the priorities that have lists of their own"),
        ("sep", "", "`SEPARATOR`: stands between a queue's name and a priority in a list's name"),
    ),
    *within(
        "kombu.transport.virtual:Channel.",
        ("_get_message_priority", "(self, message, reverse=False)", "`priority_of`"),
        ("basic_consume", "(self, queue, no_ack, callback, consumer_tag, **kwargs)", "`no_ack` comes second"),
    ),
    *within(
        "kombu.transport.redis:QoS.",
        ("append", "(self, message, delivery_tag)", "overridden: what a fetch took is booked already"),
        ("ack", "(self, delivery_tag)", "overridden: the next fetch carries acknowledgements"),
        ("reject", "(self, delivery_tag, requeue=False)", "overridden: goes back to its own list"),
        ("restore_unacked", "(self, client=None)", "overridden: the keeper hands on what is held"),
        ("restore_by_tag", "(self, tag, client=None, leftmost=False)", "puts back what a plain worker took"),
        ("can_consume", "(self)", "whether the window has room"),
        ("can_consume_max_estimate", "(self)", "how many messages the window has room for, or None"),
    ),
    *within(
        "kombu.transport.virtual:QoS.",
        ("_delivered", "", "`is_unanswered`, `forget_delivered`: messages that consumers were given"),
        ("_dirty", "", "`is_unanswered`: those of them that were answered since the last look"),
        ("append", "(self, message, delivery_tag)", "`note_delivered`: counted in the window, not booked"),
        ("ack", "(self, delivery_tag)", "`note_settled`: no longer counted, nothing is told to the broker"),
    ),
    *within(
        "kombu.transport.redis:MultiChannelPoller.",
        ("_channels", "", "`channels`: those that the event loop tends"),
        ("_register_BRPOP", "(self, channel)", "`watch_fetches`"),
        ("_register_LISTEN", "(self, channel)", "`watch_broadcasts`"),
        ("_update_brpop_polling", "(self)", "`pause_full_channels`"),
        ("poller", "", "set, and a socket is taken out of it before it closes"),
        ("on_poll_init", "(self, poller)", "overridden: no sweep by age when the event loop begins"),
        ("on_poll_start", "(self)", "overridden: tends every channel once a turn"),
        ("maybe_restore_messages", "(self)", "overridden: no sweep by age"),
        ("get", "(self, callback, timeout=None)", "overridden: looks more often while the window is full"),
    ),
    *within(
        "kombu.transport.redis:Transport.",
        ("__init__", "(self, *args, **kwargs)", "overridden: our poller in place of kombu's `cycle`"),
        ("register_with_event_loop", "(self, connection, loop)", "calls the poller's `on_poll_start`"),
        ("can_parse_url", "", "set: kombu leaves the address behind the plus sign to us"),
        ("as_uri", "(self, uri: 'str', include_password=False, mask='**') -> 'str'", "overridden"),
    ),
    *within(
        "kombu.transport.virtual:",
        ("Transport.channels", "", "`siblings`: the open channels of a connection"),
        ("Transport._callbacks", "", "`delivery`: the queues that have a consumer"),
        ("Transport._deliver", "(self, message, queue)", "`delivery`: hands a message to its consumer"),
        ("Message.__init__", "(self, payload, channel=None, **kwargs)", "takes a body in bytes as it is"),
        ("Message._raw", "", "`drop_raw`: the message as it came, body included"),
    ),
    *within(
        "kombu.message:Message.",
        ("_decoded_cache", "", "`leave_undecoded`: what Celery reads in place of the body"),
        ("errors", "", "why a message could not be decompressed, as `sys.exc_info()` has it"),
    ),
    *within(
        "kombu.transport.redis:",
        ("PRIORITY_STEPS", "", "`lists_of`"),
        ("_socket_readable", "(sock)", "`is_readable`: unlike redis-py's look, it consumes nothing"),
        ("PublishBatch.publish", "(self, message, **kwargs)", "gives `_put` itself as `_publish_batch`"),
        ("PublishBatch.add", "(self, name, *args)", "the bell rings with the batch"),
    ),
    *within(
        "kombu.",
        ("transport:TRANSPORT_ALIASES", "", "our scheme is added"),
        ("pools:connections", "", "`celery_app.py` empties it in a forked child"),
        ("pools:producers", "", "`celery_app.py` empties it in a forked child"),
        ("utils.json:object_hook", "(o: 'dict')", "for one decoder; kombu makes one a message"),
        ("compression:get_encoder", "(t)", "gives an encoder and the content type behind a short name"),
        ("compression:register", "(encoder, decoder, content_type, aliases=None)", "replaces the decoders"),
        ("pidbox:Node.listen", "(self, channel=None, callback=None)", "overridden: looks before it decodes"),
        ("pidbox:Node.handle_message", "(self, body, message=None)", "overridden: obeys allowed orders only"),
        ("pidbox:Node.reply", "(self, data, exchange, routing_key, ticket, **kwargs)", "answers an order"),
        ("pidbox:Node.Consumer", "(self, channel=None, no_ack=True, accept=None, **options)", "listens"),
        ("pidbox:Mailbox.node_cls", "", "set to our node"),
        ("pidbox:Mailbox.reply_exchange", "", "the only exchange that answers go to"),
    ),
)
# `Any`, because the published type stubs describe an older kombu.
_redis: Final[Any] = _typed_redis
_virtual: Final[Any] = _typed_virtual

SEPARATOR: Final[str] = _redis.Channel.sep
RedisTransport: Final[Any] = _redis.Transport


class RedisChannel(_redis.Channel):  # type: ignore[misc]
    """Kombu's channel, with plain names for its private methods and attributes."""

    # A subclass overrides these; here they are kombu's own methods.
    start_fetch = _redis.Channel._brpop_start
    read_fetch = _redis.Channel._brpop_read
    read_broadcasts = _redis.Channel._receive
    parse_broadcast = _redis.Channel._handle_message
    take_one = _redis.Channel._get
    connection_options = _redis.Channel._connparams
    create_client = _redis.Channel._create_client
    disconnect_pools = _redis.Channel._disconnect_pools
    update_queues = _redis.Channel._update_queue_cycle
    forget_connection = _redis.Channel._on_connection_disconnect
    # A subclass calls these.
    list_of = _redis.Channel._q_for_pri
    priority_of = _redis.Channel._get_message_priority
    renew_credentials = _redis.Channel._flush_brpop_reauth
    renew_expiry = _redis.Channel._maybe_update_queues_expire

    def put(self, queue: str, message: Any) -> None:
        """Publish one message, outside a batch, to a queue that does not expire."""
        super()._put(queue, message)

    def after_kombus_put(self, queue: str, batch: Any) -> None:
        """Act after kombu published a message; `batch` is its PublishBatch, or None if it was sent at once."""

    def after_delete(self, queue: str) -> None:
        """Act after a queue was deleted."""

    def send_awaited(self, command: list[Any]) -> None:
        """Send a command on the consuming connection, and let the event loop wait for its answer.

        No health check is sent before it: the check may reconnect, and then one answer is taken for the other.
        """
        connection = self.client.connection
        self._in_poll, self._brpop_sent_at = connection, monotonic()
        connection.send_command(*command, check_health=False)

    @property
    def awaited(self) -> Any:
        """The connection on which an answer is awaited; false if there is none."""
        return self._in_poll

    @property
    def awaited_for_s(self) -> float:
        """Seconds since the command was sent that is still unanswered."""
        return monotonic() - float(self._brpop_sent_at)

    def stop_awaiting(self) -> None:
        """Note that no answer is awaited any more."""
        self._in_poll = None

    def stop_listening(self) -> None:
        """Let the next turn of the event loop subscribe to broadcasts anew."""
        self._in_listen = None

    def delivery(self) -> tuple[Callable[[Any, str], Any], Container[str]]:
        """Return the function that hands a message to a queue's consumer, and the queues that have a consumer."""
        return self.connection._deliver, self.connection._callbacks

    def disconnect_clients(self) -> None:
        """Disconnect the clients that were made so far, and the pool's connections."""
        for client in (self.__dict__.get("client"), self.__dict__.get("subclient")):
            if client is not None and client.connection is not None:
                client.connection.disconnect()
        if self._pool is not None:
            self._pool.disconnect()

    def _brpop_start(self, timeout: float | None = None) -> None:
        self.start_fetch()

    def _brpop_read(self, **options: Any) -> Any:
        return self.read_fetch()

    def _receive(self) -> Any:
        return self.read_broadcasts()

    def _handle_message(self, client: Any, r: Any) -> Any:
        return self.parse_broadcast(client, r)

    def _get(self, queue: str) -> Any:
        return self.take_one(queue)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        batch = kwargs.get("_publish_batch")
        if batch is None and queue not in self._expires:
            self.put(queue, message)
            return
        super()._put(queue, message, **kwargs)
        self.after_kombus_put(queue, batch)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        self.after_delete(queue)

    def _connparams(self, asynchronous: bool = False) -> Any:
        return self.connection_options(asynchronous)

    def _create_client(self, asynchronous: bool = False) -> Any:
        return self.create_client(asynchronous)

    def _disconnect_pools(self) -> None:
        self.disconnect_pools()

    def _update_queue_cycle(self) -> None:
        self.update_queues()

    def _on_connection_disconnect(self, connection: Any) -> None:
        self.forget_connection(connection)


class RedisQoS(_redis.QoS):  # type: ignore[misc]
    """Kombu's record of a channel's unanswered messages, with plain names."""

    note_delivered = _virtual.QoS.append
    note_settled = _virtual.QoS.ack

    def is_unanswered(self, tag: str) -> bool:
        """Whether a consumer was given this message and has not settled it yet."""
        return tag in self._delivered and tag not in self._dirty

    def forget_delivered(self) -> None:
        """Forget every message that consumers were given."""
        self._delivered.clear()


class RedisPoller(_redis.MultiChannelPoller):  # type: ignore[misc]
    """Kombu's part in the event loop, with plain names."""

    watch_fetches = _redis.MultiChannelPoller._register_BRPOP
    watch_broadcasts = _redis.MultiChannelPoller._register_LISTEN
    pause_full_channels = _redis.MultiChannelPoller._update_brpop_polling

    @property
    def channels(self) -> tuple[Any, ...]:
        """The channels that the event loop tends."""
        return tuple(self._channels)


def is_readable(connection: Any) -> bool:
    """Whether a connection of redis-py has received something that nobody has read yet."""
    socket = socket_of(connection)
    return socket is not None and bool(_redis._socket_readable(socket))


def lists_of(queue: str) -> list[str]:
    """Return the names of the lists in which a queue's messages wait, the most urgent first."""
    return [queue, *(f"{queue}{SEPARATOR}{step}" for step in _redis.PRIORITY_STEPS[1:])]


def drop_raw(message: Any) -> None:
    """Free the raw copy of itself that a received message keeps."""
    message._raw = None


def leave_undecoded(message: Any) -> None:
    """Give Celery an empty call to read, so that it does not decode the message's body in this process."""
    message._decoded_cache = ([], {}, {})
