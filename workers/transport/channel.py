"""The channel that kombu's transport opens. This file has its publishing half; `consuming` has the other."""

from typing import Any

from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError

from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import FleetBusy
from wasmfleet.workers.transport.consuming import Consuming
from wasmfleet.workers.transport.store import BELL_S


class Channel(Consuming):
    """A channel that wakes idle consumers when it publishes, and that refuses to fill a queue past its limit."""

    def basic_publish(self, *args: Any, **kwargs: Any) -> Any:
        """Publish as kombu does, but fail on a closed channel with an error that kombu answers with another try.

        Where declaring the queue loses the connection, kombu 5.7 goes on with the channel of before, which is closed.
        With this error it opens a new one.
        """
        if self.closed:
            raise RedisConnectionError("the connection was lost while the queue was declared")
        return super().basic_publish(*args, **kwargs)

    def put(self, queue: str, message: Any) -> None:
        """Queue a message and ring the queue's bell in one step. Raises FleetBusy where the queue is full."""
        name = self.list_of(queue, self.priority_of(message, reverse=False))
        limit = self.limit_of(queue)
        lists = [self.list_of(queue, step) for step in self.priority_steps]
        if self.store.put(name, self.keys.bell(queue), dumps(message), limit, lists) < 0:
            raise FleetBusy(
                f"{counted(limit, 'message waits', 'messages wait')} in {queue} already; nothing was queued"
            )

    def after_kombus_put(self, queue: str, batch: Any) -> None:
        """Ring the bell of a queue that kombu's own code published to, with its batch where it has one."""
        bell = self.keys.bell(queue).removeprefix(self.keys.prefix)  # these clients add the prefix
        if batch is not None:
            batch.add("zadd", bell, {"": 0})
            batch.add("expire", bell, BELL_S)
        else:
            client = self.create_client()
            client.zadd(bell, {"": 0})
            client.expire(bell, BELL_S)

    def after_delete(self, queue: str) -> None:
        """Delete the bell of a queue that was deleted."""
        self.create_client().delete(self.keys.bell(queue).removeprefix(self.keys.prefix))
