"""A queue that other programs use too: what is ours is taken from it, everything else stays where it is, in order."""

import base64
import json
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, put

_CLAIM = ("celery", "wasmfleet.", "wasmfleet.any")
_LOOKED_AT = 100  # messages of others at the head of the queue, as look.lua has it


def _message(task: str, id: str = "i", **more: Any) -> dict[str, Any]:
    """A message as a plain Celery client sends it."""
    properties = {
        "delivery_tag": id,
        "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": "celery"},
    }
    body = base64.b64encode(json.dumps([[], {"note": '"task": "wasmfleet.x"'}, {}]).encode()).decode()
    headers = {"task": task, "id": id, "argsrepr": '("task": "wasmfleet.x")'} | more
    return {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }


def _send(broker: "Redis", *messages: Any, queue: str = "celery", **form: Any) -> list[bytes]:
    sent = [one if isinstance(one, bytes) else json.dumps(one, **form).encode() for one in messages]
    broker.lpush(queue, *sent)
    return sent


def _left(broker: "Redis", queue: str = "celery") -> list[Any]:
    found: Any = broker.lrange(queue, 0, -1)
    return list(reversed(found))


def _ids(inbox: Inbox) -> list[str]:
    return [message.headers["id"] for message in inbox]


def test_ours_are_taken_in_order_and_all_others_stay_in_theirs(connect: Connect, broker: "Redis") -> None:
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    theirs = [
        *(json.dumps(_message(f"tasks.add{n}")).encode() for n in range(3)),
        b"no message at all",
        json.dumps(_message("tasks.nested", stamps={"task": "wasmfleet.x"})).encode(),
        json.dumps(_message("xwasmfleet.digest")).encode(),
        json.dumps({"body": "", "headers": {"note": '"task": "wasmfleet.x"'}, "properties": {}}).encode(),
        json.dumps(["wasmfleet.x"]).encode(),
        json.dumps(_message("tasks.last")).encode(),
    ]
    ours = [_message(f"wasmfleet.nope{n}", id=str(n)) for n in range(len(theirs))]
    with broker.pipeline() as pipe:  # by turns: one of theirs, one of ours
        for their, our in zip(theirs, ours, strict=True):
            pipe.lpush("celery", their, json.dumps(our))
        pipe.execute()

    assert _ids(inbox.drain(len(ours))) == [str(n) for n in range(len(ours))]
    assert _left(broker) == theirs


@pytest.mark.parametrize(
    "form", [{}, {"separators": (",", ":")}, {"indent": 2}], ids=["kombu", "compact", "wide"]
)
def test_messages_of_every_clients_json_are_known(connect: Connect, broker: "Redis", form: Any) -> None:
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    message = _message("wasmfleet.digest.digest")
    _send(broker, message, dict(reversed(message.items())), **form)

    assert len(inbox.drain(2)) == 2


def test_a_plain_worker_on_the_queue_gets_its_own_though_ours_came_first(
    connect: Connect, broker: "Redis"
) -> None:
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    inbox.drain_once()
    _send(broker, _message("wasmfleet.a", id="ours"), _message("tasks.add", id="theirs"))
    inbox.drain(1)

    plain = Inbox(connect("redis"), "celery").drain(1)

    assert (_ids(inbox), _ids(plain)) == (["ours"], ["theirs"])


def test_priorities_and_prefixes_are_kept(connect: Connect, broker: "Redis") -> None:
    options = {"claim": _CLAIM, "global_keyprefix": "{app}."}
    for priority in (9, 3, 0):
        put(connect("redis", global_keyprefix="{app}."), "celery", priority, priority=priority,
            headers={"task": "wasmfleet.x", "id": str(priority)})  # fmt: skip
    inbox = Inbox(connect(**options), "other", "wasmfleet.any", prefetch=1)
    for number in range(1, 4):
        inbox.drain(number)
        inbox[-1].ack()

    assert sorted(_ids(inbox)) == ["0", "3", "9"]
    assert [message.properties["priority"] for message in inbox] == [int(id) for id in _ids(inbox)]


def test_ours_behind_many_of_theirs_are_found_when_those_are_gone(connect: Connect, broker: "Redis") -> None:
    theirs = _send(broker, *(_message("tasks.add", id=str(n)) for n in range(_LOOKED_AT)))
    _send(broker, _message("wasmfleet.x", id="ours"))
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    until(lambda: not inbox.drain_once() and broker.exists("unacked_lookout:celery to wasmfleet.any"))
    assert broker.llen("celery") == _LOOKED_AT + 1

    assert broker.rpop("celery") == theirs[0]
    assert _ids(inbox.drain(1)) == ["ours"]
    assert _left(broker) == theirs[1:]


def test_large_messages_of_others_are_not_all_read(connect: Connect, broker: "Redis") -> None:
    """A look reads four MiB: more would hold up the broker."""
    theirs = _send(broker, *[_message("tasks.add", blob="x" * (3 << 20))] * 3)
    _send(broker, _message("wasmfleet.x", id="ours"))
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    until(lambda: not inbox.drain_once() and broker.exists("unacked_lookout:celery to wasmfleet.any"))
    assert _left(broker)[:3] == theirs

    broker.rpop("celery", 2)
    assert _ids(inbox.drain(1)) == ["ours"]


def test_a_full_queue_takes_no_more_from_the_shared_one(connect: Connect, broker: "Redis") -> None:
    _send(broker, *(_message("wasmfleet.x", id=str(n)) for n in range(6)))
    options = {"claim": _CLAIM, "queue_limit": 3, "limited_queues": ("wasmfleet.any",)}
    inbox = Inbox(connect(**options), "wasmfleet.any", prefetch=1)
    inbox.drain(1)

    def settled() -> bool:
        inbox.drain_once()
        return (broker.llen("wasmfleet.any"), broker.llen("celery")) == (3, 2)

    until(settled, what="one is held, three wait in the fleet's queue, two in the shared one")


def test_a_key_of_another_type_in_place_of_the_shared_queue_harms_nobody(
    connect: Connect, broker: "Redis"
) -> None:
    broker.set("celery", "no list")
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.any")
    inbox.drain_once()
    put(connect("redis"), "wasmfleet.any", "still heard")

    assert len(inbox.drain(1)) == 1
    assert broker.get("celery") == b"no list"


def test_a_key_of_another_type_in_place_of_the_fleets_queue_costs_no_message(
    connect: Connect, broker: "Redis"
) -> None:
    inbox = Inbox(connect(claim=_CLAIM), "other", "wasmfleet.any")
    until(lambda: not inbox.drain_once() and broker.exists("unacked_lookout:celery to wasmfleet.any"))
    broker.set("wasmfleet.any\x06\x163", "no list")
    _send(broker, _message("wasmfleet.x", id="ours"))
    until(lambda: not inbox.drain_once() and inbox.channel.fails, what="it is noticed")
    assert broker.llen("celery") == 1

    broker.delete("wasmfleet.any\x06\x163")
    broker.lpush("celery", "wakes the lookout")
    assert _ids(inbox.drain(1)) == ["ours"]


def test_without_a_consumer_of_ours_nothing_is_taken(connect: Connect, broker: "Redis") -> None:
    _send(broker, _message("wasmfleet.x"))
    inbox = Inbox(connect(claim=_CLAIM), "wasmfleet.wasm")
    until(lambda: not inbox.drain_once() and broker.exists("unacked_lookout:wasmfleet.wasm"))

    assert broker.llen("celery") == 1
