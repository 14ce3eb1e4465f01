"""Hostile messages with something wrong outside their body: bytes, headers, properties, types, dates, ids."""

import base64
import json
import pickle
from typing import Final

from tests.attack import mutation, values, wire
from tests.attack.sources import Pickled, Sources

_WELL_KNOWN_HEADERS: Final = (
    *("task", "id", "root_id", "parent_id", "group", "group_index", "retries", "timelimit", "eta", "expires"),
    *(
        "lang",
        "argsrepr",
        "kwargsrepr",
        "origin",
        "shadow",
        "ignore_result",
        "replaced_task_nesting",
        "method",
    ),
    *(
        "stamped_headers",
        "stamps",
        "wasmfleet",
        "compression",
        "redelivered",
        "hostname",
        "errbacks",
        "clock",
    ),
    *("is_eager", "called_directly", "callbacks", "chord", "delivery_info", "reply_to", "correlation_id"),
    *("args", "kwargs", "taskset", "chain", "utc", "loglevel", "logfile", "properties", "headers", "typing"),
    *("wasmfleet_refused", "wasmfleet_bytes", "wasmfleet_lost", "wasmfleet_lost_alone"),
)
_TYPES: Final = (
    *("application/x-python-serialize", "application/x-yaml", "pickle", "yaml", "application/data", ""),
    *("application/json; charset=utf-7", "application/x-malformed", "text/plain", "auth", "\x1b[31m"),
)
_ENCODINGS: Final = (
    "utf-8",
    "binary",
    "utf-7",
    "utf-16",
    "idna",
    "rot13",
    "zlib_codec",
    "unicode_escape",
    "\0",
)
_DATES: Final = (
    *("0001-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", "2020-01-01T00:00:00"),
    *("2020-01-01", "20200101T000000Z", "2020-W01-1", "9999-12-31T23:59:59-23:59", "8999-12-31", "tomorrow"),
    *(0, -1, 1e12, True, [], {}, "2020-01-01T00:00:00+00:00\n", "2020-02-30T00:00:00", "\uff11970-01-01"),
)


def right(it: Sources) -> bytes:
    return values.to_json(it.fresh())


def outer_bytes(it: Sources) -> bytes:
    return mutation.bytes_changed(values.to_json(it.fresh()), it.dice, it.dice.choice(it.seeds.messages))


def splice(it: Sources) -> bytes:
    return mutation.spliced(values.to_json(it.fresh()), values.to_json(it.fresh()), it.dice)


def outer(it: Sources) -> bytes:
    return values.to_json(mutation.value_changed(it.fresh(), it.dice, keep=("body", "id", "delivery_tag")))


def headers(it: Sources) -> bytes:
    outer = it.fresh()
    for _ in range(it.dice.choice((1, 1, 2, 4))):
        outer["headers"][it.dice.choice(_WELL_KNOWN_HEADERS)] = it.value()
    return values.to_json(outer)


def own_header(it: Sources) -> bytes:
    outer = it.fresh()
    own = outer["headers"].setdefault("wasmfleet", {})
    names = ("lane", "reply", "queued_at", "limit_s", "handed_over", "waits", "waited_for", "x")
    own[it.dice.choice(names)] = it.dice.choice((it.value(), 1e9, "wasm", "msgpack", 1_000_000, 1e-9))
    return values.to_json(outer)


def properties(it: Sources) -> bytes:
    outer = it.fresh()
    names = ("correlation_id", "reply_to", "delivery_info", "priority", "body_encoding", "delivery_mode", "x")
    outer["properties"][it.dice.choice(names)] = it.value()
    return values.to_json(outer)


def content_type(it: Sources) -> bytes:
    outer = it.fresh()
    kind = it.dice.random()
    if kind < 0.3:
        body = pickle.dumps([[], {"data": Pickled(it.trap)}, {}])
        outer = wire.with_body(outer, body) | {"content-type": "application/x-python-serialize"}
    elif kind < 0.5:
        body = f"!!python/object/apply:os.system ['touch {it.trap}']".encode()
        outer = wire.with_body(outer, body) | {"content-type": "application/x-yaml"}
    else:
        outer["content-type"] = it.dice.choice((*_TYPES, it.value()))
        outer["content-encoding"] = it.dice.choice((*_ENCODINGS, it.value()))
    return values.to_json(outer)


def dates(it: Sources) -> bytes:
    outer = it.fresh()
    for name in it.dice.choice((("eta",), ("expires",), ("eta", "expires"))):
        outer["headers"][name] = it.dice.choice(_DATES)
    return values.to_json(outer)


def collision(it: Sources) -> bytes:
    outer = it.fresh()
    part = it.dice.choice(("id", "tag", "both"))
    if part != "tag":
        outer["headers"]["id"] = outer["properties"]["correlation_id"] = it.former_id()
    if part != "id":
        outer["properties"]["delivery_tag"] = it.dice.choice(("same", "same+", "unacked", it.former_id()))
    return values.to_json(outer)


def strange_id(it: Sources) -> bytes:
    outer = it.fresh()
    outer["headers"]["id"] = it.dice.choice(
        (it.value(), values.ESCAPE, values.FORGED_LINE, values.ADDRESS, "\u2028")
    )
    if isinstance(outer["headers"]["id"], str):
        outer["headers"]["id"] += outer["properties"]["correlation_id"]
    return values.to_json(outer)


def junk(it: Sources) -> bytes:
    alphabet = it.dice.choice((bytes(range(256)), b'{}[]",:0', b"\0", b"\xff", b"\x1b[31m\r\n"))
    junk = bytes(it.dice.choices(alphabet, k=it.dice.choice((0, 1, 20, 5_000))))
    outer = json.dumps({"body": base64.b64encode(junk).decode(), "properties": it.dice.choice(({}, [], 5))})
    return it.dice.choice((junk, junk, outer.encode(), values.to_json(it.value())))
