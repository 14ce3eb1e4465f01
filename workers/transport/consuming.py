"""The consuming half of a channel: it fetches in one step, waits for the bell, and reconnects by itself."""

import contextlib
import itertools
import logging
from collections import deque
from queue import Empty
from time import monotonic
from typing import Any, Final

from redis import ConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from wasmfleet.workers.transport import broadcasts, messages, stock
from wasmfleet.workers.transport.leases import Keeper, new_holder
from wasmfleet.workers.transport.qos import QoS
from wasmfleet.workers.transport.reconnecting import LOST, Reconnecting
from wasmfleet.workers.transport.store import Fetch, Keys, Store, fetched
from wasmfleet.workers.transport.turns import interleaved

#: Seconds until an idle consumer looks by itself, for producers that do not ring.
LOOK_S: Final = 0.25
_MAX_FETCH: Final = 100
_log = logging.getLogger("wasmfleet.transport")


class Consuming(Reconnecting):
    """Kombu's channel, but nothing is taken from a list without being booked in the same step."""

    QoS = QoS
    queue_weights: dict[str, int] = {}
    message_bytes = 64 << 20  # what one message may have; a larger one arrives as a stub
    from_transport_options = (*stock.redis.Channel.from_transport_options, "queue_weights", "message_bytes")

    _window = 0  # how many messages may be held; Celery adds to it for each that waits for its time
    fetching = ""  # the fetch whose answer is under way
    _awaits_bell = False
    _asked: Fetch | None = None
    _keeper: Keeper | None = None
    _sync_client: Any = None
    _store: Store | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unbooked: set[str] = set()
        self._turns: list[int] = []
        self._turn = 0
        self._fetches = map(str, itertools.count())
        super().__init__(*args, **kwargs)
        self.brpop_timeout = LOOK_S

    @property
    def keys(self) -> Keys:
        return Keys(self.global_keyprefix, self.unacked_key, self.unacked_index_key)

    @property
    def store(self) -> Store:
        if self._store is None:
            # Not the prefixing client: it knows of scripts' first key only.
            self._store = Store(Redis(connection_pool=self.pool), self.keys, new_holder())
        return self._store

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(True)
        if self._sync_client is None:
            self._sync_client = super()._create_client()
        return self._sync_client

    def _disconnect_pools(self) -> None:
        self._sync_client = self._store = None
        super()._disconnect_pools()

    def basic_consume(self, queue: str, no_ack: bool = False, *args: Any, **kwargs: Any) -> Any:
        (self._unbooked.add if no_ack else self._unbooked.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_qos(self, prefetch_size: int, prefetch_count: int, apply_global: bool = False) -> None:
        self._window = min(self._window or prefetch_count, prefetch_count)
        super().basic_qos(prefetch_size, prefetch_count, apply_global)

    def _update_queue_cycle(self) -> None:
        super()._update_queue_cycle()
        self._turns = interleaved([self.queue_weights.get(queue, 1) for queue in self.active_queues])
        self._turn = 0

    def _on_connection_disconnect(self, connection: Any) -> None:
        if self._in_poll is connection:
            self._awaits_bell, self.fetching = False, ""
            self.qos.take_back()
        super()._on_connection_disconnect(connection)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Sends a fetch, or after an empty one the wait for a bell."""
        command = self._bell_command() if self._awaits_bell else self._fetch_command()
        if command:
            self._in_poll, self._brpop_sent_at = self.client.connection, monotonic()
            # A health check would reconnect within, and its answer or ours would be read for the other's.
            self.client.connection.send_command(*command, check_health=False)

    def _bell_command(self) -> list[Any]:
        return ["BZPOPMIN", *map(self.keys.bell, self.active_queues), LOOK_S]

    def _fetch_command(self) -> list[Any]:
        free = self.qos.can_consume_max_estimate()
        limit = _MAX_FETCH if free is None else min(free, _MAX_FETCH)
        # With few free places, or none for bytes: wait for more.
        if limit * 4 < min(self._window, _MAX_FETCH) or self.qos.room_bytes() <= 0:
            limit = 0
        tags = self.qos.take()
        if not limit and not tags:
            return []
        self._keep()
        self._asked = self._wanted(self.active_queues, limit, tags)
        self.fetching = self._asked.id
        return self.store.fetch_command(self._asked)

    def _keep(self) -> None:
        if self._keeper is None:
            self._keeper = Keeper(self, ConnectionPool(**self._connparams()))
            self._keeper.start()

    def _wanted(self, queues: list[str], limit: int, tags: list[str]) -> Fetch:
        lists = [self.keys.prefix + self._q_for_pri(q, p) for p in self.priority_steps for q in queues]
        bells = [self.keys.bell(queue) for _ in self.priority_steps for queue in queues]
        flags = "".join("01"[queue in self._unbooked] for queue in queues) * len(self.priority_steps)
        turns = self._turns[self._turn :] + self._turns[: self._turn] if len(queues) > 1 else [0]
        room_bytes, is_idle = self.qos.room_bytes(), not self.qos.held.size_bytes
        first_bytes = max(room_bytes, self.message_bytes) if is_idle else room_bytes
        sizes = (room_bytes, first_bytes, self.message_bytes, is_idle)
        return Fetch(next(self._fetches), limit, *sizes, lists, bells, flags, turns, tags)

    def _brpop_read(self, **options: Any) -> bool:
        waited = self._awaits_bell
        try:
            reply = self._read_reply()
        except (*LOST, ResponseError) as error:  # one that answers with errors may be better soon
            self.lose(error)
            raise Empty from None
        finally:
            self._in_poll, self._awaits_bell = None, False
            self._flush_brpop_reauth()
        self._found()
        if waited or reply is None:
            self.fetching = ""
            self.qos.take_back()
            raise Empty
        return self._receive_fetched(reply)

    def _read_reply(self) -> Any:
        try:
            return self.client.connection.read_response()
        except NoScriptError:
            self.store.load_fetch()
            return None

    def _receive_fetched(self, reply: list[Any]) -> bool:
        asked = self._asked
        assert asked is not None
        self.qos.confirm()
        self._turn = (self._turn + reply[0]) % max(len(self._turns), 1)
        taken = fetched(reply)
        for _, tag, raw in taken:
            if tag:
                self.qos.held.add(tag, len(raw))
        self.fetching = ""
        self._awaits_bell = len(taken) < asked.limit
        if not taken:
            raise Empty
        self._deliver_all(asked, taken)
        return True

    def _deliver_all(self, asked: Fetch, taken: list[tuple[int, str, bytes]]) -> None:
        waiting = deque(taken)
        try:
            while waiting:
                number, tag, raw = waiting.popleft()
                self._deliver(asked.lists[number], tag, raw)
        finally:  # where the consumer failed, the rest are strays for the keeper to hand on
            self.qos.held.discard(*(tag for _, tag, _ in waiting))

    def _deliver(self, list: str, tag: str, raw: bytes) -> None:
        queue = list.removeprefix(self.keys.prefix).partition(self.sep)[0]
        if queue not in self.connection._callbacks:  # cancelled while the answer was under way
            self.qos.hand_back(tag)
            return
        message = messages.decode(raw, tag, queue)
        self.qos.watch(tag, message.get("headers"))
        try:
            self.connection._deliver(message, queue)
        except Exception:
            if self.qos.has(tag) or not tag:
                raise  # it was a message, the trouble is with the consumer
            self.connection._deliver(messages.wrapped(raw, tag, queue), queue)

    def _receive(self) -> Any:
        try:
            received = super()._receive()
        except LOST as error:
            self._in_listen = None
            self.lose(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a broadcast carries, it ends no worker
            self._in_listen = None
            _log.warning("a broadcast cannot be read; it is dropped: %s", type(error).__name__)
            return False
        self._found()
        return received

    def _handle_message(self, client: Any, response: Any) -> Any:
        """Kombu's (5.7), but what is no broadcast, or a large one, is dropped before kombu decodes it."""
        received = super()._handle_message(client, response)
        if isinstance(received["data"], bytes) and (why := broadcasts.refusal(received["data"])):
            _log.warning("a broadcast is dropped: %s", why)
            received["data"] = b""
        return received

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.store.settle([message.delivery_tag])
            self.qos.held.discard(message.delivery_tag)
        return message

    def _get(self, queue: str) -> Any:
        self._keep()
        wanted = self._wanted([queue], 1, [])
        taken = fetched(self.store.fetch(wanted))
        self._maybe_update_queues_expire(self._create_client(), queue)
        if not taken:
            raise Empty
        [(_, tag, raw)] = taken
        self.qos.held.add(tag, len(raw))
        return messages.decode(raw, tag, queue)

    def body_of(self, tag: str) -> bytes:
        """The body of a message that this channel holds, read again. Raises redis.RedisError, and LookupError where
        the message was handed on meanwhile."""
        body = messages.body(self.store.booked(tag))
        if tag not in self.qos.held:
            raise LookupError(tag)
        return body

    def restore_unleased(self, tag: str) -> None:
        """Puts back what a plain Celery worker took."""
        stock.redis.QoS.restore_by_tag(self.qos, tag)

    def close(self) -> None:
        if not self.closed:
            self._finish_fetch()
            with contextlib.suppress(RedisError, OSError):
                self.qos.settle()  # or what is done would be handed back
        super().close()
        if self._keeper is not None:
            self._keeper.end()
            self._keeper = None

    def _finish_fetch(self) -> None:
        """Waits for the answer under way: what it took is booked before it is handed back."""
        connection, self._in_poll = self._in_poll, None
        if connection:
            try:
                connection.read_response()
            except (RedisError, OSError):
                connection.disconnect()
            self.qos.take_back()
