"""Messages that a channel held come back when it closes, loses an answer or dies, never while it lives."""

import itertools
import time

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, bodies, put
from wasmfleet.workers.transport import leases


def test_closing_hands_back_what_is_held_in_order(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", *range(5))
    inbox = Inbox(connect(), "q").drain(5)
    inbox[0].ack()
    until(lambda: broker.hlen("unacked") == 4, what="the acknowledgement is told")
    inbox.channel.close()

    assert (broker.hlen("unacked"), broker.llen("q"), broker.zcard("unacked_holders")) == (0, 4, 0)
    assert bodies(Inbox(connect(), "q").drain(4)) == [1, 2, 3, 4]


def test_what_a_lost_answer_carried_comes_back(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "lost and found")
    inbox = Inbox(connect(), "q")
    channel = inbox.channel
    channel.store.load_fetch()
    channel.store.fetch(channel.fetch_of(["q"], 1, []))  # nobody reads the answer

    assert broker.hlen("unacked") == 1
    assert bodies(inbox.drain(1)) == ["lost and found"]


def test_a_dead_process_of_this_node_is_succeeded_at_once(connect: Connect, broker: "Redis") -> None:
    put(connect(), "q", "orphan")
    _book_for(broker, connect, f"{leases.NODE}|999999999:1|0")
    began = time.monotonic()
    inbox = Inbox(connect(), "q").drain(1)

    assert bodies(inbox) == ["orphan"]
    assert time.monotonic() - began < leases.LEASE_BEATS  # sooner than its lease runs out
    until(lambda: broker.zcard("unacked_holders") == 1, what="only the living holder is known")


def test_another_node_is_succeeded_only_when_it_ceases_to_renew(
    connect: Connect, broker: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.05)
    put(connect(), "q", "elsewhere")
    holder = "another-node|17:4|0"
    _book_for(broker, connect, holder)
    inbox = Inbox(connect(), "q")
    for score in range(60):
        broker.zadd("unacked_holders", {holder: score})
        inbox.drain_once()
    assert bodies(inbox) == []

    assert bodies(inbox.drain(1)) == ["elsewhere"]


def _book_for(broker: "Redis", connect: Connect, holder: str) -> None:
    """Fetch the message of `q` in the name of a holder that does not exist."""
    channel = connect().channel()
    channel.store.holder = holder
    channel.store.load_fetch()
    channel.store.fetch(channel.fetch_of(["q"], 1, []))
    assert broker.hlen("unacked") == 1


def test_numbers_of_holders_never_repeat() -> None:
    assert len(set(itertools.islice(iter(leases.new_holder, None), 3))) == 3
