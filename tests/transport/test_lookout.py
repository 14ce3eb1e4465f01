"""The lookout: messages of publishers that ring no bell are heard of at once, and none is missed."""

import json
import logging
import random
import statistics
import threading
import time
from typing import Any

import pytest
from kombu import Queue
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, bodies, put
from wasmfleet.workers.transport import consuming, lookout

_HOURS = 7200.0
#: Without a lookout, a consumer looks every five seconds. Less than half of that is far more than a busy machine adds.
_SOON_S = 2.0


@pytest.fixture
def without_safety_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look without having been told: a wake-up that is lost is then lost for hours."""
    monkeypatch.setattr(consuming, "WAIT_S", _HOURS)
    monkeypatch.setattr(lookout, "_AGAIN_S", _HOURS)


def test_an_idle_consumer_hears_of_a_plain_clients_message_at_once(connect: Connect, broker: "Redis") -> None:
    inbox, plain = _idle(connect, broker, "q"), connect("redis")
    taken = []
    for number in range(40):
        time.sleep(random.uniform(0.0, 0.05))
        began = time.perf_counter()
        put(plain, "q", number)
        inbox.drain(number + 1)
        taken.append((time.perf_counter() - began) * 1000)

    p50, p95 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]
    print(f"\n  a plain client's message: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert p50 < _SOON_S * 1000


@pytest.mark.usefixtures("without_safety_net")
def test_no_message_is_missed_between_a_look_and_the_wait_for_the_next(
    connect: Connect, broker: "Redis"
) -> None:
    """Publish each message at another moment after the one before was taken, while the consumer goes to wait."""
    inbox, count, dice = _idle(connect, broker, "q", "p"), 1500, random.Random(7)
    message = _raw("tasks.add")
    for number in range(count):
        time.sleep(dice.choice((0.0, dice.uniform(0, 0.002), dice.uniform(0, 0.01))))
        broker.lpush(dice.choice(("q", "p", "q\x06\x163", "p\x06\x169")), message)
        inbox.drain(number + 1, seconds=20)
        inbox[-1].ack()

    print(
        f"\n  {len(inbox):,} of {count:,} messages came, each within 20 s, though nobody looks before hours are over"
    )


@pytest.mark.usefixtures("without_safety_net")
def test_several_consumers_and_publishers_miss_nothing(connect: Connect, broker: "Redis", port: int) -> None:
    count, taken, sent = 400, [0, 0, 0], _raw("tasks.add")
    inboxes = [Inbox(connect(), "q", prefetch=2) for _ in taken]
    began = time.monotonic()

    def publish(seed: int) -> None:
        dice = random.Random(seed)
        with Redis(port=port) as own:
            for _ in range(count):
                time.sleep(dice.uniform(0, 0.01))
                own.lpush("q", sent)

    def consume(number: int) -> None:
        while sum(taken) < 3 * count and time.monotonic() - began < 60:
            inboxes[number].drain_once()
            taken[number] += len(inboxes[number])
            while inboxes[number]:
                inboxes[number].pop().ack()

    running = [threading.Thread(target=work, args=(n,)) for work in (publish, consume) for n in range(3)]
    for one in running:
        one.start()
    for one in running:
        one.join()

    print(
        f"\n  three consumers took {taken} messages of three publishers in {time.monotonic() - began:.1f} s"
    )
    assert sum(taken) == 3 * count


def test_an_idle_consumer_sends_two_commands_a_second_at_most(connect: Connect, broker: "Redis") -> None:
    inbox = _idle(connect, broker, "q", "p")
    with broker.monitor() as monitor:
        commands, end = 0, time.monotonic() + 8
        reader: Any = monitor.connection
        while time.monotonic() < end:
            inbox.drain_once()
            while reader.can_read(timeout=0):
                commands += monitor.next_command()["client_type"] != "lua"

    print(f"\n  an idle consumer sends {commands / 8:.2f} commands a second")
    assert 0 < commands / 8 <= 2


def test_the_lookout_of_the_dead_is_succeeded(connect: Connect, broker: "Redis") -> None:
    broker.set("unacked_lookout:q", "another-node|1:1|0", px=1500)
    inbox = Inbox(connect(), "q")
    until(
        lambda: not inbox.drain_once() and _owner(broker) == inbox.channel.store.holder, what="it takes over"
    )

    put(connect("redis"), "q", "heard")
    assert bodies(inbox.drain(1, seconds=_SOON_S)) == ["heard"]


def test_a_channel_that_closes_gives_up_the_lookout(connect: Connect, broker: "Redis") -> None:
    first = _idle(connect, broker, "q")
    second = Inbox(connect(), "q")
    first.channel.close()
    until(lambda: not second.drain_once() and _owner(broker) == second.channel.store.holder, what="succeeded")

    second.channel.close()
    assert not broker.exists("unacked_lookout:q")


def test_junk_in_place_of_the_lookouts_name_is_replaced(connect: Connect, broker: "Redis") -> None:
    broker.lpush("unacked_lookout:q", "junk")
    _idle(connect, broker, "q")


def test_without_the_right_to_be_told_the_lookout_looks(
    connect: Connect, broker: "Redis", port: int, caplog: pytest.LogCaptureFixture
) -> None:
    broker.execute_command("ACL", "SETUSER", "untold", "on", ">pw", "~*", "&*", "+@all", "-client|tracking")
    with caplog.at_level(logging.WARNING, "wasmfleet.transport"):
        inbox = _idle(lambda: connect(place=f"untold:pw@127.0.0.1:{port}/0"), broker, "q")
        put(connect("redis"), "q", "seen")

        assert bodies(inbox.drain(1, seconds=_SOON_S)) == ["seen"]
        until(lambda: "+client|tracking" in caplog.text, what="it says so")


def test_a_lookout_comes_back_when_its_connection_is_cut(connect: Connect, broker: "Redis") -> None:
    inbox = _idle(connect, broker, "q")
    for number in range(3):
        broker.client_kill_filter(_type="normal", skipme=True)
        put(connect("redis"), "q", number)
        inbox.drain(number + 1)
    until(lambda: not inbox.drain_once() and _tracked(broker), what="it is told again")


@pytest.mark.usefixtures("without_safety_net")
def test_a_queue_that_is_added_while_a_consumer_waits_is_served_at_once(
    connect: Connect, broker: "Redis"
) -> None:
    put(connect(), "late", "was there before")
    inbox = _idle(connect, broker, "q")
    inbox.consumer.add_queue(Queue("late"))
    inbox.consumer.consume()

    assert bodies(inbox.drain(1, seconds=20)) == ["was there before"]


@pytest.mark.usefixtures("without_safety_net")
def test_a_channel_closes_while_it_waits_and_passes_on_a_bell_that_it_heard(
    connect: Connect, broker: "Redis"
) -> None:
    inbox = _idle(connect, broker, "q")
    broker.zadd("_wasmfleet.bell.q", {"": 0})
    until(lambda: not broker.exists("_wasmfleet.bell.q"), what="it has heard the bell")
    inbox.channel.close()

    assert broker.exists("_wasmfleet.bell.q")


def _idle(connect: Any, broker: "Redis", *queues: str) -> Inbox:
    """Make a consumer, and wait until it has the lookout of its queues and is told of changes."""
    inbox = Inbox(connect(), *queues)
    until(
        lambda: not inbox.drain_once() and all(_owner(broker, queue) for queue in queues),
        what="it has the lookout",
    )
    until(lambda: not inbox.drain_once() and _waits(broker), what="it waits")
    return inbox


def _owner(broker: "Redis", queue: str = "q") -> str:
    name = f"unacked_lookout:{queue}"
    return (broker.get(name) or b"").decode() if broker.type(name) == b"string" else ""


def _waits(broker: "Redis") -> bool:
    clients: Any = broker.client_list()
    return any(client["cmd"] == "bzpopmin" for client in clients)


def _tracked(broker: "Redis") -> bool:
    clients: Any = broker.client_list()
    return any("t" in client["flags"] for client in clients)


def _raw(task: str) -> str:
    """A message as a plain Celery client sends it."""
    properties = {"delivery_tag": "t", "body_encoding": "base64", "delivery_info": {"routing_key": "q"}}
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}
    return json.dumps(
        {"body": "W10=", **kind, "headers": {"task": task, "id": "i"}, "properties": properties}
    )
