"""The consuming half of a channel: it fetches messages in one step, and waits for a bell while there are none."""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Container
from queue import Empty
from time import monotonic
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from wasmfleet.workers.internals.redis_masters import LOST
from wasmfleet.workers.transport import messages
from wasmfleet.workers.transport.leases import Keeper, new_holder
from wasmfleet.workers.transport.looking import Looking
from wasmfleet.workers.transport.qos import QoS
from wasmfleet.workers.transport.store import ANY, Fetch, Store, as_text, fetched
from wasmfleet.workers.transport.turns import in_order, interleaved

#: Seconds after which an idle consumer looks into its lists though no bell rang. The lookout rings it for those who
#: do not; it may be missed only where a lookout or another consumer was killed.
WAIT_S: Final = 5.0
_MAX_FETCH: Final = 100
_INLINE_S: Final = 0.25  # a delivery that takes longer is a task that runs, as in Celery's pool `solo`
_IN_TURNS: Final = "round_robin"


class Consuming(Looking):
    """A channel that takes each message from its list and books it under its own name in the same step.

    Kombu's takes it first and books it then; a worker that is killed in between loses the message.
    """

    QoS = QoS
    fetching = ""  # the id of the fetch whose answer is awaited
    _window = 0  # how many messages may be held, without those that wait for their time
    _runs_inline = False  # whether the consumer works on a message while it is delivered
    _awaits_bell = False  # whether the awaited answer, or else the next one, is that to the wait for a bell
    _is_outdated = False  # whether the last fetch asked for other queues than are consumed from now
    _asked: Fetch | None = None
    _keeper: Keeper | None = None
    _kept_client: Any = None
    _store: Store | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unbooked: set[str] = set()  # queues that are consumed from without acknowledgement
        self._turns: list[int] = []
        self._order: list[int] = []  # the places of the queues where each comes after the one before is empty
        self._turn = 0
        self._fetch_ids = map(str, itertools.count())
        super().__init__(*args, **kwargs)
        self.brpop_timeout = WAIT_S

    @property
    def store(self) -> Store:
        """The broker's scripts, run in this channel's name."""
        if self._store is None:
            # Kombu's client with a key prefix would prefix the first key of a script only.
            client = Redis(connection_pool=self.pool)
            self._store = Store(client, self.keys, new_holder(), self.deaths_to_set_aside)
        return self._store

    def create_client(self, asynchronous: bool = False) -> Any:
        """Give a client of the broker. That of synchronous commands is made once; kombu makes one for each command."""
        if asynchronous:
            return super().create_client(True)
        if self._kept_client is None:
            self._kept_client = super().create_client()
        return self._kept_client

    def disconnect_pools(self) -> None:
        """Disconnect as kombu does, and forget what was made from the pools."""
        self._kept_client = self._store = None
        super().disconnect_pools()

    def basic_consume(self, queue: str, no_ack: bool = False, *args: Any, **kwargs: Any) -> Any:
        """Consume as kombu does, and note whether the queue's messages need no booking."""
        (self._unbooked.add if no_ack else self._unbooked.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_qos(self, prefetch_size: int, prefetch_count: int, apply_global: bool = False) -> None:
        """Set how many messages may be held. Celery raises it by one for each call that waits for its time; the
        smallest value seen is the window itself."""
        self._window = min(self._window or prefetch_count, prefetch_count)
        super().basic_qos(prefetch_size, prefetch_count, apply_global)

    def update_queues(self) -> None:
        """Work out the queues' turns anew when one was added or cancelled."""
        super().update_queues()
        queues, strategy = self.active_queues, self.queue_order_strategy
        self._order = [] if strategy == _IN_TURNS else in_order(queues, strategy)
        self._turns = interleaved([self.queue_weights.get(queue, 1) for queue in queues])
        self._turn, self._is_outdated = 0, True
        if not self.awaited:
            self._awaits_bell = False
        elif self._awaits_bell:
            self._end_wait()

    def _end_wait(self) -> None:
        """Let the broker answer the wait for a bell: it has rung this channel's own one."""
        with contextlib.suppress(RedisError, OSError):
            self.store.ring(self._own_bell)

    def forget_connection(self, connection: Any) -> None:
        """Forget a connection that was closed, and the fetch whose answer it would have brought."""
        if self.awaited is connection:
            self._awaits_bell, self.fetching = False, ""
            self.qos.take_back()
        super().forget_connection(connection)

    def start_fetch(self) -> None:
        """Send a fetch, or after one that found too little, the wait for a bell."""
        command = self._bell_command() if self._awaits_bell else self._fetch_command()
        if command:
            self.send_awaited(command)

    @property
    def patience_s(self) -> float:
        return super().patience_s + (WAIT_S if self._awaits_bell else 0.0)

    @property
    def _own_bell(self) -> str:
        """The bell that only this channel waits at."""
        return self.keys.bell(self.store.holder)

    def _bell_command(self) -> list[Any]:
        return ["BZPOPMIN", *map(self.keys.bell, self.active_queues), self._own_bell, WAIT_S]

    def _fetch_command(self) -> list[Any]:
        """The command of the next fetch; empty where there is neither room for messages nor anything to acknowledge."""
        free = self.qos.can_consume_max_estimate()
        limit = _MAX_FETCH if free is None else min(free, _MAX_FETCH)
        # Wait until a quarter of the window is free: many small fetches would cost more than they bring.
        if limit * 4 < min(self._window, _MAX_FETCH) or self.qos.room_bytes() <= 0:
            limit = 0
        if "can_consume" in vars(self.qos):  # Celery's `worker_disable_prefetch` judges before each message
            limit = int(self.qos.can_consume())
        if self._runs_inline:  # it can acknowledge, obey and stop between two fetches only
            limit = min(limit, 1)
        tags = self.qos.take()
        if not limit and not tags:
            return []
        self._start_keeper()
        self._asked, self._is_outdated = self.fetch_of(self.active_queues, limit, tags), False
        self.fetching = self._asked.id
        return self.store.fetch_command(self._asked)

    def _start_keeper(self) -> None:
        """Start the thread that renews this channel's leases, unless it runs."""
        if self._keeper is None:
            self._keeper = Keeper(self, self.connection_options())
            self._keeper.start()

    def fetch_of(self, queues: list[str], limit: int, tags: list[str]) -> Fetch:
        """A fetch of at most `limit` messages of these queues, which acknowledges the messages with these tags."""
        lists = [self.keys.prefix + self.list_of(q, p) for p in self.priority_steps for q in queues]
        bells = [self.keys.bell(queue) for _ in self.priority_steps for queue in queues]
        flags = "".join("01"[queue in self._unbooked] for queue in queues) * len(self.priority_steps)
        turns = self._turns[self._turn :] + self._turns[: self._turn] if len(queues) > 1 else [0]
        if self._order and len(queues) > 1:
            turns = [place for place in self._order for _ in range(limit)]
        sizes = (self.qos.room_bytes(), self.qos.first_room_bytes(), self.message_bytes or ANY)
        deaths = (self.alone_from, self.deaths_to_stub)
        is_idle = not self.qos.held.size_bytes
        return Fetch(next(self._fetch_ids), limit, *sizes, is_idle, *deaths, lists, bells, flags, turns, tags)

    def read_fetch(self) -> bool:
        """Read the awaited answer and deliver its messages. Raises queue.Empty where it brought none."""
        waited_for_bell = self._awaits_bell
        try:
            reply = self._read_reply()
        except (*LOST, ResponseError) as error:  # a broker that answers with errors may recover as well
            self.lose(error)
            raise Empty from None
        finally:
            self.stop_awaiting()
            self._awaits_bell = False
            self.renew_credentials()
        self.note_success()
        if waited_for_bell or reply is None:
            self.fetching = ""
            self.qos.take_back()
            raise Empty
        return self._receive_fetched(reply)

    def _read_reply(self) -> Any:
        """The answer; None where the broker did not have the script, which it has now."""
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
        self._awaits_bell = len(taken) < asked.limit and not self._is_outdated
        if not taken:
            raise Empty
        self._deliver_all(asked, taken)
        return True

    def _deliver_all(self, asked: Fetch, taken: list[tuple[int, str, bytes]]) -> None:
        deliver, consumed = self.delivery()
        waiting = deque(taken)
        try:
            while waiting:
                (number, tag, raw), began = waiting.popleft(), monotonic()
                self._deliver_one(deliver, consumed, asked.lists[number], tag, raw)
                self._runs_inline = monotonic() - began > _INLINE_S
                while self._runs_inline and waiting:
                    self.qos.hand_back(waiting.pop()[1])
        finally:  # where a consumer failed, the keeper finds the rest booked but not held, and hands it on
            self.qos.held.discard(*(tag for _, tag, _ in waiting))

    def _deliver_one(
        self, deliver: Callable[[Any, str], Any], consumed: Container[str], list: str, tag: str, raw: bytes
    ) -> None:
        queue = list.removeprefix(self.keys.prefix).partition(self.sep)[0]
        if queue not in consumed:  # cancelled while the answer was under way
            self.qos.hand_back(tag)
            return
        message = messages.decode(raw, tag, queue)
        self.qos.watch(tag, message.get("headers"))
        try:
            deliver(message, queue)
        except Exception:
            if self.qos.is_unanswered(tag) or not tag:
                raise  # kombu could read the message; the failure is its consumer's
            deliver(messages.wrapped(raw, tag, queue), queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        """Take one message as kombu does; without acknowledgement, end its booking at once."""
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.store.settle([message.delivery_tag])
            self.qos.held.discard(message.delivery_tag)
        return message

    def take_one(self, queue: str) -> Any:
        """Take one message of a queue without an event loop. Raises queue.Empty."""
        self._start_keeper()
        taken = fetched(self.store.fetch(self.fetch_of([queue], 1, [])))
        self.renew_expiry(self.create_client(), queue)
        if not taken:
            raise Empty
        [(_, tag, raw)] = taken
        self.qos.held.add(tag, len(raw))
        return messages.decode(raw, tag, queue)

    def body_of(self, tag: str) -> bytes:
        """Read the body of a message that this channel holds from the broker again.

        Raises redis.RedisError, and LookupError where the message was handed on meanwhile.
        """
        body = messages.body(self.store.booked(tag))
        if tag not in self.qos.held:
            raise LookupError(tag)
        return body

    def restore_unleased(self, tag: str) -> None:
        """Put back a message that a plain Celery worker took, as kombu does."""
        self.qos.restore_by_tag(tag)

    def close(self) -> None:
        """Close as kombu does, after telling the broker what is acknowledged; what is still held goes back."""
        if not self.closed:
            self._finish_fetch()
            with contextlib.suppress(RedisError, OSError):
                self.qos.settle()  # what is acknowledged would be handed back otherwise
        super().close()
        if self._keeper is not None:
            self._keeper.end()
            self._keeper = None

    def _finish_fetch(self) -> None:
        """Wait for the awaited answer: what it took has to be booked before it can be handed back."""
        connection, awaits_bell = self.awaited, self._awaits_bell
        self.stop_awaiting()
        if not connection:
            return
        if awaits_bell:
            self._end_wait()
        try:
            heard = connection.read_response()
            if awaits_bell and heard and as_text(heard[0]) != self._own_bell:
                self.store.ring(heard[0])  # it rang for a message that another consumer has to fetch now
        except (RedisError, OSError):
            connection.disconnect()
        self.qos.take_back()
