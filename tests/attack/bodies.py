"""Hostile messages with a wrong body: arguments, batches, follow-ups, Celery's own tasks, compressed or typed."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final

import brotli

from tests.attack import mutation, values, wire
from tests.attack.sources import Sources

_BUILT_IN: Final = ("map", "starmap", "chunks", "chord", "chord_unlock", "backend_cleanup", "group", "chain")
_COMPRESSIONS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "application/x-gzip": gzip.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
    "application/x-brotli": brotli.compress,
    "gzip": zlib.compress,
    "zstd": bytes,
}


def body_bytes(it: Sources) -> bytes:
    outer, other = it.fresh(), it.readable()
    body = mutation.bytes_changed(wire.body_of(outer), it.dice, wire.body_of(other))
    return values.to_json(wire.with_body(outer, body))


def content(it: Sources) -> bytes:
    outer = it.readable()
    return values.to_json(wire.with_content(outer, mutation.value_changed(wire.content_of(outer), it.dice)))


def batch(it: Sources) -> bytes:
    outer = it.readable()
    outer["headers"]["task"] = "wasmfleet.batch"
    names = ("digest.digest", "wasmfleet.text.hash", "crypto.encrypt", "ast.validate", "batch", it.value())
    calls = [
        it.dice.choice(({"data": b"x"}, {}, {"text": "x"}, it.value())) for _ in range(it.dice.randrange(5))
    ]
    body = [[it.dice.choice(names), it.dice.choice((calls, calls, it.value()))], {}, {}]
    return values.to_json(wire.with_content(outer, body))


def built_in(it: Sources) -> bytes:
    outer = it.readable()
    outer["headers"]["task"] = f"celery.{it.dice.choice((*_BUILT_IN, 'accumulate'))}"
    inner = {"task": "wasmfleet.text.hash", "args": ["a"], "kwargs": {}, "options": {}, "subtask_type": None}
    inner["immutable"] = False
    crash = inner | {"task": "wasmfleet.chaos.nap", "args": [], "kwargs": {"seconds": 0.01}}
    body: list[Any] = it.dice.choice(
        (
            [[], {"task": inner, "it": [["a"], ["b"]]}, {}],
            [[inner, [["a"], ["b"]], 1], {}, {}],
            [[], {"task": crash, "it": [[], it.value()], "n": 1}, {}],
            [[], {"header": [inner, inner], "body": inner, "partial_args": []}, {}],
            [["x", inner], {"interval": 1e-3, "max_retries": 2, "result": [["x", None]]}, {}],
            [[], {}, {"callbacks": [inner], "errbacks": [inner], "chain": [inner], "chord": inner}],
            [[it.value()], {"task": it.value()}, {}],
        )
    )
    return values.to_json(wire.with_content(outer, body))


def typed(it: Sources) -> bytes:
    outer = it.readable() | {"content-type": "application/json", "content-encoding": "utf-8"}
    part = it.dice.choice(("headers", "properties", "args", "kwargs", "embed", "body"))
    if part in ("headers", "properties"):
        outer[part][it.dice.choice(("x", "priority", "expires", "correlation_id"))] = values.typed(it.dice)
        return values.to_json(outer)
    content: Any = [["abc"], {}, {}]
    match part:
        case "body":
            content = values.typed(it.dice)
        case "args":
            content[0][0] = values.typed(it.dice)
        case "kwargs":
            content[1][it.dice.choice(("data", "text", "__type__"))] = values.typed(it.dice)
        case _:
            content[2] = it.dice.choice((values.typed(it.dice), {"chain": values.typed(it.dice)}))
    return values.to_json(wire.with_content(outer, content))


def compressed(it: Sources) -> bytes:
    outer = it.readable()
    name = it.dice.choice((*_COMPRESSIONS, "application/x-nothing", "x-gzip"))
    body = _COMPRESSIONS.get(name, bytes)(wire.body_of(outer))
    if it.dice.random() < 0.5:
        body = mutation.bytes_changed(body, it.dice)
    outer["headers"]["compression"] = name
    return values.to_json(wire.with_body(outer, body))


def protocol(it: Sources) -> bytes:
    """Make a message of Celery's protocol 1, in which the body says everything, or of one that does not exist."""
    outer = it.readable() | {"content-type": "application/json", "content-encoding": "utf-8"}
    id = outer["properties"]["correlation_id"]
    body = {"task": "wasmfleet.text.hash", "id": id, "args": ["a"], "kwargs": {}, "retries": 0, "eta": None}
    changed = mutation.value_changed(body | {"utc": True, "callbacks": None}, it.dice)
    outer["headers"] = it.dice.choice(({}, {}, None, {"protocol": 3}, {"task": it.value()}))
    return values.to_json(wire.with_content(outer, it.dice.choice((body, changed))))


def follow_up(it: Sources) -> bytes:
    """Make a message whose link, chain or chord has a wrong signature."""
    outer = it.readable()
    right = {"task": "wasmfleet.text.hash", "args": ["a"], "kwargs": {}, "options": {}, "subtask_type": None}
    wrong = mutation.value_changed(right | {"immutable": True}, it.dice)
    part = it.dice.choice(("callbacks", "errbacks", "chain", "chord"))
    args, kwargs, _ = wire.content_of(outer)
    embed = {part: wrong if part == "chord" else [wrong] * it.dice.choice((1, 2))}
    if part == "chord":
        outer["headers"]["group"] = it.former_id()
    if part == "errbacks":
        kwargs = {"no": "such"}
    return values.to_json(wire.with_content(outer, [args, kwargs, embed]))
