"""Real messages to mutate, captured from real publishers at a broker that no worker serves yet."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet

LANES: Final = ("wasmfleet.any", "wasmfleet.wasm", "wasmfleet.python")
LISTS: Final = (*LANES, *(f"{lane}.batch" for lane in LANES), "celery")
_PRIORITIES: Final = ("", "\x06\x163", "\x06\x166", "\x06\x169")

#: A program that publishes with this package installed. Its ids come from a seed, so that a run can be repeated.
_COORDINATOR: Final = """
import json, os, random, sys, uuid
from kombu.utils.uuid import uuid as kombu_uuid
dice = random.Random(json.load(sys.stdin))
kombu_uuid.__defaults__ = (lambda: uuid.UUID(int=dice.getrandbits(128), version=4),)
from celery import chain, chord, group
from wasmfleet.tasks import ast, compression, crypto, digest, memory, metrics, text, validation

source = "const a: number = [1, 2, 3].map((x) => x + 1).length;\\n" * 3
for lane in ("any", "wasm", "python"):
    for operation, arguments in (
        (digest.digest, {"data": b"abc", "algorithm": "blake3"}),
        (text.hash, {"text": "\\u00fc\\U0001d11e"}),
        (ast.validate, {"source": source, "filename": "a.ts"}),
        (ast.outline, {"source": source, "language": "typescript"}),
        (compression.compress, {"data": b"abc" * 50, "codec": "brotli"}),
        (compression.best, {"data": b"abc" * 50}),
        (memory.compress, {"data": b"abc" * 50}),
        (metrics.aggregate, {"series": {"a": [1.0, None, 2.5]}}),
        (crypto.sha256, {"data": b"abc"}),
        (crypto.sign, {"data": b"abc", "key_id": "k"}),
        (crypto.encrypt, {"data": b"abc", "key_id": "k"}),
        (validation.javascript, {"source": "let a = ;"}),
    ):
        operation.apply_async(kwargs=arguments, lane=lane)
digest.digest.apply_async((b"abc",), priority=6)
digest.digest.apply_async((b"abc",), countdown=1, expires=60)
digest.digest.apply_async((b"abc",), soft_time_limit=1, time_limit=5)
digest.digest.apply_async((b"abc",), link=text.hash.s(), link_error=text.hash.s("it failed"))
digest.digest.apply_async((b"abc",), headers={"own": [1, {"a": None}]}, shadow="shadow")
chain(digest.digest.s(b"abc"), text.hash.s(), text.hash.s(algorithm="blake3")).apply_async()
group(digest.digest.s(bytes([n])) for n in range(3)).apply_async()
chord([text.hash.s("a"), text.hash.s("b")], metrics.aggregate.s()).apply_async()
digest.digest.many([{"data": bytes([n])} for n in range(5)])
digest.digest.many([{"data": b"x"}] * 3, lane="python", expires=60)
ast.validate.many([{"source": source, "filename": f"{n}.ts"} for n in range(3)], lane="wasm")
os._exit(0)  # results that are dropped at the end of a process write to stderr
"""
#: A program that publishes with Celery alone, and knows only the operations' names.
_BY_NAME: Final = """
import json, os, sys
from celery import Celery, chain, chord, group
url = json.load(sys.stdin)
client = Celery(broker=url, backend=url)
call = client.signature("wasmfleet.digest.digest", kwargs={"data": b"abc"})
for compression in ("gzip", "zlib", "bzip2", "lzma", "brotli"):
    call.apply_async(compression=compression)
call.apply_async(priority=9, expires=60, ignore_result=True)
hashed = client.signature("wasmfleet.text.hash", args=("a",), queue="wasmfleet.python")
chain(hashed, client.signature("wasmfleet.text.hash")).apply_async()
group([hashed, hashed.clone()]).apply_async()
chord([hashed, hashed.clone()], client.signature("wasmfleet.text.hash")).apply_async()
hashed.apply_async(link=client.signature("wasmfleet.text.hash"), link_error=hashed.clone())
batch = ("wasmfleet.digest.digest", [{"data": b"a"}, {"data": 5}, {}])
client.signature("wasmfleet.batch", args=batch, queue="wasmfleet.any.batch").apply_async()
client.signature("wasmfleet.metrics.aggregate", kwargs={"series": {"a": [1, None]}}).apply_async()
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Seeds:
    """Messages of tasks, and broadcasts with their channel."""

    messages: tuple[bytes, ...]
    broadcasts: tuple[bytes, ...]
    channel: str


def capture(fleet: ChaosFleet, dice: random.Random) -> Seeds:
    """Publish every kind of message, and take them out of the broker again. No worker may run."""
    fleet.run(_COORDINATOR, dice.getrandbits(32))
    fleet.run(_BY_NAME, fleet.url)
    messages = tuple(_taken(fleet))
    channel, broadcasts = _broadcasts(fleet)
    return Seeds(messages, tuple(broadcasts), channel)


def lists() -> list[str]:
    """Return the names of all lists in which the fleet's messages may wait, also those of priorities."""
    return [name + priority for name in LISTS for priority in _PRIORITIES]


def _taken(fleet: ChaosFleet) -> Iterator[bytes]:
    with Redis.from_url(fleet.url) as broker:
        for name in lists():
            yield from reversed(broker.lrange(name, 0, -1))
            broker.delete(name)


def _broadcasts(fleet: ChaosFleet) -> tuple[str, list[bytes]]:
    """Broadcast every command of remote control; return their channel and the messages."""
    control = fleet.client().control
    commands: list[tuple[str, dict[str, Any]]] = [
        ("ping", {}),
        ("revoke", {"task_id": "x", "terminate": True, "signal": "SIGKILL"}),
        ("rate_limit", {"task_name": "wasmfleet.digest.digest", "rate_limit": "1/h"}),
        ("time_limit", {"task_name": "wasmfleet.digest.digest", "hard": 1, "soft": 1}),
        *((name, {"n": 1}) for name in ("pool_grow", "pool_shrink")),
        *((name, {"queue": "wasmfleet.python"}) for name in ("add_consumer", "cancel_consumer")),
        ("autoscale", {"max": 2, "min": 1}),
        ("pool_restart", {"modules": ["os"], "reload": True}),
        *((name, {}) for name in ("enable_events", "disable_events", "heartbeat", "election", "shutdown")),
        *(
            (name, {})
            for name in ("stats", "active", "reserved", "scheduled", "revoked", "registered", "conf")
        ),
        *((name, {}) for name in ("active_queues", "report", "clock", "memsample", "memdump", "objgraph")),
        ("revoke_by_stamped_headers", {"headers": {"a": ["b"]}, "terminate": True}),
        ("terminate", {"signal": "SIGKILL", "task_id": "x"}),
        ("query_task", {"ids": ["x"]}),
        ("hello", {"from_node": "attacker", "revoked": {"x": 1}}),
    ]
    with Redis.from_url(fleet.url) as broker, broker.pubsub() as heard:
        heard.psubscribe("*pidbox")
        until(lambda: heard.get_message(timeout=1), what="the subscription stands")
        sender = threading.Thread(
            target=lambda: [control.broadcast(name, kwargs) for name, kwargs in commands]
        )
        sender.start()
        found: list[Any] = []
        until(lambda: _heard(heard, found) >= len(commands), what=f"broadcasts, {len(found)} came")
        sender.join()
    return found[0]["channel"].decode(), [one["data"] for one in found]


def _heard(heard: Any, found: list[Any]) -> int:
    if (message := heard.get_message(timeout=1)) and message["type"] == "pmessage":
        found.append(message)
    return len(found)
