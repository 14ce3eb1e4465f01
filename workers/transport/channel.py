"""The channel that kombu's transport opens: see consuming; here is what publishes."""

from typing import Any

from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError

from wasmfleet.workers.errors import FleetBusy
from wasmfleet.workers.transport.consuming import Consuming
from wasmfleet.workers.transport.store import BELL_S


class Channel(Consuming):
    """Kombu's channel, but a publisher rings for idle consumers, and a full queue takes no more."""

    queue_limit = 0  # messages that may wait in one of `limited_queues`; 0 for any number
    limited_queues: tuple[str, ...] = ()
    from_transport_options = (*Consuming.from_transport_options, "queue_limit", "limited_queues")

    def basic_publish(self, *args: Any, **kwargs: Any) -> Any:
        """Kombu's. It publishes on the channel it had before it lost the connection while it declared the queue; with
        this error it tries again on the new one."""
        if self.closed:
            raise RedisConnectionError("the connection was lost while the queue was declared")
        return super().basic_publish(*args, **kwargs)

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        batch = options.get("_publish_batch")
        if batch is not None or queue in self._expires:
            super()._put(queue, message, **options)
            self._ring(queue, batch)
            return
        name = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        limit = self.queue_limit if queue in self.limited_queues else 0
        lists = [self._q_for_pri(queue, step) for step in self.priority_steps]
        if self.store.put(name, self.keys.bell(queue), dumps(message), limit, lists) < 0:
            raise FleetBusy(f"{limit:,} messages wait in {queue} already; nothing was queued")

    def _ring(self, queue: str, batch: Any) -> None:
        bell = self.keys.bell(queue).removeprefix(self.keys.prefix)  # these clients add the prefix
        if batch is not None:
            batch.add("zadd", bell, {"": 0})
            batch.add("expire", bell, BELL_S)
        else:
            client = self._create_client()
            client.zadd(bell, {"": 0})
            client.expire(bell, BELL_S)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        self._create_client().delete(self.keys.bell(queue).removeprefix(self.keys.prefix))
