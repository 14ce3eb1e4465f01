"""Publishing: bells that nobody waits for, full queues, and lost connections."""

from typing import Any

import pytest
from kombu import Queue
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.transport.conftest import Connect
from tests.transport.inbox import put
from wasmfleet.workers.errors import FleetBusy


def test_bells_that_nobody_waits_for_are_forgotten(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", 1)

    assert 0 < broker.ttl("_wasmfleet.bell.q") <= 60


def test_a_full_queue_is_full_for_every_priority(connect: Connect, broker: "Redis") -> None:
    connection = connect(queue_limit=2, limited_queues=("q",))
    put(connection, "q", 1, 2, priority=9)

    with pytest.raises(FleetBusy):
        put(connection, "q", 3, priority=0)


class _DeclaredAtTheSecondTry(Queue):
    """A queue whose first declaration loses the connection."""

    tries = 0

    def declare(self, *args: Any, **kwargs: Any) -> Any:
        type(self).tries += 1
        if self.tries == 1:
            raise RedisConnectionError("cut")
        return super().declare(*args, **kwargs)


def test_a_connection_that_is_lost_between_declaring_and_publishing_loses_no_message(
    connect: Connect, broker: "Redis"
) -> None:
    policy = {"max_retries": 3, "interval_start": 0}
    connect().Producer().publish(
        "a", routing_key="q", declare=[_DeclaredAtTheSecondTry("q")], retry=True, retry_policy=policy
    )

    assert broker.llen("q") == 1


def test_a_client_that_loses_the_broker_prints_nothing_of_its_own(
    connect: Connect, broker: "Redis", capfd: pytest.CaptureFixture[str]
) -> None:
    channel = connect().channel()
    channel.lose(RedisConnectionError("gone"))
    put(connect(), "q", 1)

    assert capfd.readouterr().out == ""
