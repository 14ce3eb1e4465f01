"""A consumer that keeps what it receives, and a producer."""

import contextlib
import time
from typing import Any

from kombu import Connection, Consumer, Queue


class Inbox(list[Any]):
    """Messages that a consumer received; none is acknowledged until the test does it."""

    def __init__(self, connection: Connection, *queues: str, prefetch: int = 0) -> None:
        super().__init__()
        self.connection = connection
        self.channel = connection.channel()
        self.consumer = Consumer(
            self.channel, [Queue(name) for name in queues], on_message=self.append, prefetch_count=prefetch
        )
        self.consumer.consume()

    def drain(self, count: int, seconds: float = 10) -> "Inbox":
        """Wait until this many messages are there."""
        deadline = time.monotonic() + seconds
        while len(self) < count and time.monotonic() < deadline:
            self.drain_once()
        assert len(self) >= count, f"{len(self)} of {count} messages came"
        return self

    def drain_once(self) -> None:
        with contextlib.suppress(TimeoutError):
            self.connection.drain_events(timeout=0.1)


def put(connection: Connection, queue: str, *bodies: Any, **options: Any) -> None:
    producer = connection.Producer()
    for body in bodies:
        producer.publish(body, routing_key=queue, declare=[Queue(queue)], **options)


def bodies(inbox: Inbox) -> list[Any]:
    return [message.payload for message in inbox]
