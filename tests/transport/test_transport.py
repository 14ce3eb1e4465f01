"""The transport against a real Valkey: bookkeeping, compatibility with kombu's own, limits, refusals."""

import json
import time
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, bodies, put
from wasmfleet.workers.errors import FleetBusy
from wasmfleet.workers.transport import messages
from wasmfleet.workers.transport.turns import interleaved


def test_what_is_fetched_is_booked_in_kombus_format(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", {"n": 1})
    inbox = Inbox(connect(), "q").drain(1)

    [(tag, booked)] = broker.hgetall("unacked").items()
    message, exchange, key = json.loads(booked)
    assert (message["properties"]["delivery_tag"], exchange, key) == (tag.decode(), "", "q")
    assert broker.zscore("unacked_index", tag) == pytest.approx(time.time(), abs=5)
    inbox[0].ack()
    until(lambda: not broker.exists("unacked", "unacked_index"), what="the acknowledgement is told")


def test_a_plain_consumer_takes_over_and_a_plain_producer_is_heard(connect: Connect, broker: "Redis") -> None:
    put(connect("redis"), "q", "from plain kombu")
    inbox = Inbox(connect(), "q").drain(1)
    inbox[0].ack()
    put(connect(), "q", "from ours")

    plain = Inbox(connect("redis"), "other")
    put(connect(), "other", "to plain kombu")
    plain.drain(1)

    assert bodies(inbox) == ["from plain kombu"]
    assert bodies(plain) == ["to plain kombu"]


def test_an_idle_consumer_is_woken_by_the_bell(connect: Connect, broker: "Redis") -> None:
    inbox = Inbox(connect(), "q")
    until(lambda: _drained(inbox) and _waits_for_a_bell(broker), what="the consumer is idle")
    put(connect(), "q", "ring")

    assert bodies(inbox.drain(1)) == ["ring"]


def _drained(inbox: Inbox) -> bool:
    inbox.drain_once()
    return not inbox


def _waits_for_a_bell(broker: "Redis") -> bool:
    clients: Any = broker.client_list()
    return any(client["cmd"] == "bzpopmin" for client in clients)


def test_the_window_bounds_what_is_fetched(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", *range(20))
    Inbox(connect(), "q", prefetch=4).drain(4)

    assert (broker.hlen("unacked"), broker.llen("q")) == (4, 16)


def test_sixteen_mebibytes_bound_what_is_fetched(connect: Connect, broker: "Redis") -> None:
    large = "x" * (5 << 20)  # 6.7 MiB as base64
    put(connect(), "q", *[large] * 4)
    channel = connect().channel()

    channel.store.load_fetch()
    reply = channel.store.fetch(channel.fetch_of(["q"], 10, []))

    assert (len(reply[1:]) // 3, broker.llen("q")) == (2, 2)


def test_priorities_go_first(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "usual", priority=5)
    put(connect(), "q", "urgent", priority=0)

    assert bodies(Inbox(connect(), "q").drain(2)) == ["urgent", "usual"]


def test_queues_are_picked_by_weight_and_none_starves(connect: Connect, broker: "Redis") -> None:
    put(connect(), "calls", *["call"] * 40)
    put(connect(), "batches", *["batch"] * 40)
    inbox = Inbox(connect(queue_weights={"calls": 4}), "calls", "batches", prefetch=10)

    first = bodies(inbox.drain(10))

    assert (first.count("call"), first.count("batch")) == (8, 2)
    assert [interleaved([4, 1]), interleaved([1]), interleaved([])] == [[0, 0, 1, 0, 0], [0], []]


def test_a_rejected_message_goes_back_to_its_own_list_marked(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "again", priority=3)
    inbox = Inbox(connect(), "q").drain(1)
    inbox[0].reject(requeue=True)
    inbox.drain(2)

    assert bodies(inbox) == ["again", "again"]
    assert [message.delivery_info.get("redelivered", False) for message in inbox] == [False, True]
    assert inbox[1].headers["redelivered"] is True


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"{}",
        b'{"properties": 7}',
        b'{"body": 7, "properties": {"delivery_tag": "t"}}',
        b'{"body": "", "properties": {"delivery_tag": "t", "body_encoding": "rot13"}, "headers": {}}',
        b"[" * 5000,
    ],
)
def test_a_malformed_message_is_delivered_as_such_and_can_be_settled(
    connect: Connect, broker: "Redis", raw: bytes
) -> None:
    broker.lpush("q", raw)
    inbox = Inbox(connect(), "q").drain(1)

    assert inbox[0].content_type == messages.MALFORMED
    assert (inbox[0].body or b"") == raw
    inbox[0].reject(requeue=True)
    inbox.drain(2)
    assert inbox[1].content_type == messages.MALFORMED
    inbox[1].ack()
    until(lambda: broker.hlen("unacked") == 0, what="it is settled")


@pytest.mark.parametrize("body", ["A", "QQ==x", "Q!Q=", "QQ"])
def test_a_body_that_is_no_base64_comes_as_it_was_sent_and_with_its_id(
    connect: Connect, broker: "Redis", body: str
) -> None:
    properties = {"delivery_tag": "t", "body_encoding": "base64", "delivery_info": {}}
    broker.lpush("q", json.dumps({"body": body, "properties": properties, "headers": {"id": "me"}}))
    [message] = Inbox(connect(), "q").drain(1)

    assert (message.content_type, message.body) == (messages.MALFORMED, body.encode())
    assert message.headers["id"] == "me"


def test_a_message_that_ended_workers_is_kept_under_the_tag_it_is_delivered_with(
    connect: Connect, broker: "Redis"
) -> None:
    """Send two messages with the same tag: both must be kept."""
    properties = {"delivery_tag": "t", "delivery_info": {}}
    for id in ("first", "second"):
        headers = {"id": id, messages.LOST: 5}
        broker.lpush("q", json.dumps({"body": id, "properties": properties, "headers": headers}))

    inbox = Inbox(connect(guarded=True, max_deaths=5), "q").drain(2)

    assert [message.headers["wasmfleet_refused"] for message in inbox] == ["deadly"] * 2
    kept = {message.headers["id"]: broker.hget("wasmfleet:deadly", message.delivery_tag) for message in inbox}
    assert {id: json.loads(raw or b"{}")["body"] for id, raw in kept.items()} == {
        "first": "first",
        "second": "second",
    }


def test_a_message_bound_to_two_queues_is_held_twice(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "twice")
    broker.lpush("q", broker.lindex("q", 0))
    inbox = Inbox(connect(), "q").drain(2)

    assert broker.hlen("unacked") == 2
    for message in inbox:
        message.ack()
    until(lambda: broker.hlen("unacked") == 0, what="both are settled")


def test_keys_have_the_prefix(connect: Connect, broker: "Redis") -> None:
    options = {"global_keyprefix": "{app}."}
    put(connect(**options), "q", "a", "b")
    inbox = Inbox(connect(**options), "q").drain(2)
    inbox[0].ack()
    inbox[1].reject(requeue=True)
    inbox.drain(3)
    assert all(key.startswith(b"{app}.") for key in broker.scan_iter())
    inbox.channel.close()

    assert broker.llen("{app}.q") == 1


def test_a_full_queue_refuses(connect: Connect, broker: "Redis") -> None:
    connection = connect(queue_limit=2, limited_queues=("q",))
    put(connection, "q", 1, 2)

    with pytest.raises(FleetBusy, match="2 messages wait in q already; nothing was queued"):
        put(connection, "q", 3)

    put(connection, "free", *range(5))
    assert (broker.llen("q"), broker.llen("free")) == (2, 5)


def test_a_key_of_the_wrong_type_fails_before_anything_is_taken(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "safe")
    broker.set("unacked", "not a hash")
    channel = connect().channel()
    channel.store.load_fetch()

    with pytest.raises(Exception, match="WRONGTYPE"):
        channel.store.fetch(channel.fetch_of(["q"], 1, []))

    assert broker.llen("q") == 1


def test_what_is_got_without_acknowledgement_does_not_come_back(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "once")
    channel = connect().channel()

    assert channel.basic_get("q", no_ack=True).payload == "once"
    assert broker.hlen("unacked") == 0
    channel.close()
    assert broker.llen("q") == 0


def test_the_poor_mans_get_works(connect: Connect, broker: "Redis") -> None:
    connection = connect()
    put(connection, "q", "one")
    with connection.SimpleQueue("q") as queue:
        message = queue.get(timeout=5)
        assert message.payload == "one"
        message.ack()
        until(lambda: broker.hlen("unacked") == 0, what="the acknowledgement is told")
