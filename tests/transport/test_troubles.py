"""Strange messages and failures on the way: the transport goes on, and what it holds is handed on."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kombu.asynchronous import Hub
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, bodies, put
from wasmfleet.workers.internals.redis import socket_of
from wasmfleet.workers.transport import leases, messages

_STRANGE: list[dict[str, Any]] = [
    {"properties": {"delivery_tag": "\ud800"}},
    {"properties": {"delivery_tag": "x" * 300}},
    {"headers": {"x": {"__type__": "decimal", "__value__": "zz"}}},
    {"headers": {"x": {"__type__": "datetime", "__value__": "zz"}}},
    {"headers": {"x": {"__type__": "base64", "__value__": 5}}},
]


def test_a_large_window_is_filled_by_few_messages(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", *range(10))

    assert len(Inbox(connect(), "q", prefetch=512).drain(10)) == 10


def test_messages_that_wait_for_their_time_stop_no_others(connect: Connect, broker: "Redis") -> None:
    inbox = Inbox(connect(), "q", prefetch=4)
    put(connect(), "q", *range(20))
    inbox.consumer.qos(prefetch_count=24)  # as Celery does: by one for each message that waits for its time
    inbox.drain(20)
    put(connect(), "q", *range(4))

    assert len(inbox.drain(24)) == 24


def test_what_was_acknowledged_just_before_the_end_does_not_come_back(
    connect: Connect, broker: "Redis"
) -> None:
    put(connect(), "q", *range(3))
    inbox = Inbox(connect(), "q").drain(3)
    inbox.connection.transport.cycle.thread = threading.get_ident()  # as if this thread ran the event loop
    for message in inbox:
        message.ack()
    inbox.channel.close()

    assert (broker.llen("q"), broker.hlen("unacked")) == (0, 0)


def test_a_late_acknowledgement_does_not_touch_what_another_holds(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "mine")
    late = Inbox(connect(), "q").drain(1)
    store, [tag] = late.channel.store, late.channel.qos.held
    assert store.put_back(tag, store.lease(tag), store.holder)
    twin = json.loads(broker.rpop("q"))
    broker.lpush("other", json.dumps(twin | {"headers": {}}))
    other = Inbox(connect(), "other").drain(1)

    late[0].ack()
    until(lambda: not _drained(late).channel.qos.held, what="the acknowledgement is told")
    other.channel.close()

    assert broker.llen("other") == 1


def _drained(inbox: Inbox) -> Inbox:
    inbox.drain_once()
    return inbox


def test_a_lease_seen_before_the_message_was_fetched_again_hands_nothing_on(
    connect: Connect, broker: "Redis"
) -> None:
    put(connect(), "q", "again")
    inbox = Inbox(connect(), "q").drain(1)
    store, [tag] = inbox.channel.store, inbox.channel.qos.held
    seen = store.lease(tag)
    inbox[0].reject(requeue=True)
    inbox.drain(2)

    assert not store.put_back(tag, seen, store.holder)
    assert broker.llen("q") == 0


def test_a_broker_that_answers_with_errors_is_asked_again(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "later")
    broker.config_set("min-replicas-to-write", 1)
    try:
        inbox = Inbox(connect(), "q")
        until(lambda: _drained(inbox).channel._failures > 1, what="it refuses")
    finally:
        broker.config_set("min-replicas-to-write", 0)

    assert bodies(inbox.drain(1)) == ["later"]


def test_an_answer_that_the_event_loop_does_not_see_is_asked_for_again(
    connect: Connect, broker: "Redis"
) -> None:
    inbox = Inbox(connect(), "q")
    until(lambda: _drained(inbox).channel.awaited, what="it waits")
    inbox.connection.transport.cycle.look_away(socket_of(inbox.channel.awaited))
    put(connect(), "q", "unseen")

    assert bodies(inbox.drain(1, seconds=20)) == ["unseen"]


@pytest.mark.parametrize("strange", _STRANGE, ids=lambda strange: ascii(strange)[:50])
def test_a_strange_message_of_the_dead_is_handed_on_with_the_others(
    connect: Connect, broker: "Redis", strange: dict[str, Any]
) -> None:
    put(connect(), "q", "good")
    broker.lpush("q", _altered(broker.lindex("q", 0), strange))
    put(connect(), "q", "good")
    channel = connect().channel()
    channel.store.holder = f"{leases.NODE}|999999999:1|0"
    channel.store.load_fetch()
    channel.store.fetch(channel.fetch_of(["q"], 3, []))
    assert broker.hlen("unacked") == 3

    inbox = Inbox(connect(), "q").drain(3)

    assert sum(message.content_type != messages.MALFORMED for message in inbox) >= 2
    for message in inbox:
        message.ack()
    until(lambda: broker.hlen("unacked") == 0, what="all are settled")


def test_a_message_that_only_lua_can_read_comes_back_as_it_came(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "x")
    raw = broker.rpop("q").replace(b'"headers": {', b'"headers": {"hexadecimal": 0x10, ')
    broker.lpush("q", raw)
    inbox = Inbox(connect(), "q").drain(1)
    inbox[0].reject(requeue=True)

    assert [message.body for message in inbox.drain(2)] == [raw, raw]


def test_a_broadcast_that_cannot_be_read_is_dropped(connect: Connect, broker: "Redis") -> None:
    connection = connect()
    inbox = Inbox(connection, "q")
    inbox.channel.exchange_declare("all", type="fanout")
    inbox.channel.queue_declare("mine")
    inbox.channel.queue_bind("mine", "all", "")
    inbox.channel.basic_consume("mine", True, inbox.append, "tag")
    until(lambda: _drained(inbox) is inbox and broker.pubsub_numpat(), what="it listens")
    [[channel, _]] = broker.pubsub_numsub("/0.all")
    for unreadable in ('{"x": {"__type__": "decimal", "__value__": "zz"}}', "5", '"x"', "null", "[1]"):
        broker.publish(channel, unreadable)
    inbox.channel.basic_publish(inbox.channel.prepare_message("all hear"), exchange="all", routing_key="")
    put(connect(), "q", "goes on")

    assert sorted(bodies(inbox.drain(2))) == ["all hear", "goes on"]


def _altered(raw: bytes, changes: dict[str, Any]) -> str:
    message = json.loads(raw)
    for part, fields in changes.items():
        message[part] |= fields
    return json.dumps(message)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def test_a_broker_that_answers_with_errors_for_a_while_ends_no_event_loop(
    connect: Connect, broker: "Redis", hub: Hub
) -> None:
    put(connect(), "q", "a")
    connection = connect()
    inbox = Inbox(connection, "q")
    connection.register_with_event_loop(hub)
    turn = hub.create_loop()
    until(lambda: next(turn) or inbox)
    until(lambda: next(turn) or (inbox.channel._awaits_bell and inbox.channel.awaited))
    broker.config_set("min-replicas-to-write", 1)
    try:
        inbox[0].ack()  # as when a child has ended its call
        until(lambda: next(turn) or inbox.channel._failures)
    finally:
        broker.config_set("min-replicas-to-write", 0)

    until(lambda: next(turn) or not broker.hlen("unacked"), what="the acknowledgement is told")


def test_an_acknowledgement_from_another_thread_waits_for_a_broker_that_answers_with_errors(
    connect: Connect, broker: "Redis"
) -> None:
    put(connect(), "q", "a")
    [message] = Inbox(connect(), "q").drain(1)
    broker.config_set("min-replicas-to-write", 1)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(message.ack).result()
    finally:
        broker.config_set("min-replicas-to-write", 0)

    until(lambda: not broker.hlen("unacked"), what="the keeper tells it")
