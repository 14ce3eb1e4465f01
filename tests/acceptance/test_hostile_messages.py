"""Messages that no Celery client sends: each is set aside, and the same worker serves all others."""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.compression import compress
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_PAST = "2020-01-01T00:00:00+00:00"
_HEADERS: list[dict[str, Any]] = [
    {"task": ["x"]},
    {"task": {}},
    {"task": None},
    {"task": "\ud800nope"},
    {"id": {"a": 1}},
    {"id": 5},
    {"id": None},
    {"id": "\ud800x"},
    {"id": "\ud800x", "task": "nope"},
    {"eta": "0001-01-01T00:00:00+23:00"},
    {"eta": "0001-01-01T00:00:00+00:00"},
    {"eta": 5},
    {"expires": {}},
    {"expires": _PAST, "wasmfleet": "text"},
    {"expires": _PAST, "wasmfleet": {"lane": ["x"]}},
    {"wasmfleet": "text"},
    {"wasmfleet": {"queued_at": "abc"}},
    {"wasmfleet": {"queued_at": -1e300}},
    {"wasmfleet": {"limit_s": "abc"}},
    {"wasmfleet": {"handed_over": {"a": 1}}},
    {"retries": 10**30},
    {"retries": "x"},
    {"timelimit": "abc"},
    {"timelimit": [1]},
    {"timelimit": ["a", "b"]},
    {"timelimit": [-1, -1]},
    {"stamped_headers": 5},
    {"stamped_headers": [[1]]},
    {"shadow": {"a": 1}},
    {"compression": "nope"},
    {"compression": [1]},
    {"group": 5},
    {"group_index": "abc"},
    {"x": json.loads("[" * 700 + "]" * 700)},
    {"x": {"__type__": "decimal", "__value__": "zz"}},
    {"headers": 5},
]
_BODIES: list[Any] = [
    5,
    [[], {}],
    ["abc", "def", {}],
    [None, None, None],
    {"args": 5},
    [[], {}, "x"],
    [[], {}, {"callbacks": [7]}],
    [[], {}, {"chain": [5]}],
    [[], {}, {"chord": 9}],
    [[], {}, {"called_directly": True}],
]
_BATCHES: list[Any] = [
    [["nope.nope", [{}]], {}, {}],
    [["wasmfleet.batch", [{}]], {}, {}],
    [["\ud800", [{}]], {}, {}],
    [[5, [{}]], {}, {}],
    [["chaos.nap", 5], {}, {}],
    [["chaos.nap", []], {}, {}],
    [["chaos.nap", [{}, 5]], {}, {}],
    [["chaos.nap", [{}], 5], {}, {}],
    [["chaos.nap", [{}]], {"calls": [{}]}, {}],
    [["chaos.nap", [{}]], {"x": 1}, {}],
    [[], {}, {}],
]
#: Arguments with which Celery alone would fail before it reaches the task's body.
_ARGUMENTS: list[Any] = [
    [[], {"__type__": "datetime", "__value__": "2020-01-01T00:00:00"}, {}],
    [[], {"self": 1}, {}],
    [[], {"": 1}, {}],
]
_PUBLISH_FROM_A_NEWER_CLIENT = """
from wasmfleet.workers.calls.catalogue import operation
@operation(parity="exact")
def newer() -> None: ...
items = list(newer.many([{}] * 2, lane="python").results(timeout=20))
print([item.error.code for item in items])
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("messages")) as made:
        made.start_fleet("python")
        yield made


def test_the_worker_lives_and_each_is_set_aside_with_its_reason(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    sent = [_message({}, headers) for headers in _HEADERS] + [_message(body) for body in _BODIES]
    sent += [_message(body, {"task": "wasmfleet.batch"}) for body in _BATCHES]
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", *(json.dumps(message) for message in sent))
    good = fleet.publish(3, "chaos.nap")

    assert fleet.settle(good, seconds=60) == dict.fromkeys(good, 1), fleet.output()
    fleet.nothing_is_held()
    assert [one.pid for one in fleet.workers()] == [worker.pid]
    kept = fleet.quarantine()
    assert len(kept) == len(sent), sorted(entry["reason"] for entry in kept)
    assert {entry["queue"] for entry in kept} == {"wasmfleet.python"}
    known = [message["headers"]["id"] for message in sent if _has_good_id(message)]
    assert {row["outcome"] for row in fleet.rows(*known)} == {"error"}
    assert sorted(row["task_id"] for row in fleet.rows(*known)) == sorted(known)


def test_arguments_that_are_none_have_an_error_and_a_row(fleet: ChaosFleet) -> None:
    sent = [_message(body) for body in _ARGUMENTS]
    sent.append(_message(None))
    sent[-1] |= {
        "body": base64.b64encode(b"\x93\x90\x81\xc4\x01a\x01\x80").decode(),  # the argument's name is bytes
        "content-type": "application/x-msgpack",
    }
    sent[-1]["properties"]["body_encoding"] = "base64"
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", *map(json.dumps, sent))

    ids = [message["headers"]["id"] for message in sent]
    rows = until(lambda: len(fleet.rows(*ids)) == len(ids) and fleet.rows(*ids), log=fleet.output)
    assert {row["error_code"] for row in rows} == {"InvalidArguments"}


def test_a_batch_of_an_operation_newer_than_the_worker_is_set_aside(fleet: ChaosFleet) -> None:
    before = fleet.set_aside()

    assert fleet.run(_PUBLISH_FROM_A_NEWER_CLIENT) == "['UnknownOperation', 'UnknownOperation']\n"

    assert fleet.quarantine()[0]["reason"].startswith("UnknownOperation: there is no operation")
    assert fleet.set_aside() == before + 1


def test_a_call_with_an_odd_but_harmless_header_is_served(fleet: ChaosFleet) -> None:
    odd = [
        _message([[], {}, {}], headers)
        for headers in (
            {"argsrepr": 5, "kwargsrepr": [1]},
            {"lang": 5, "origin": 5},
            {"called_directly": True, "is_eager": True, "hostname": 5},
            {"wasmfleet": {"lane": "unknown"}},
            {"id": "invoice 42"},
            {"id": "größe-1"},
            {"root_id": "invoice 42", "group": "my group", "shadow": "Prüfung"},
            {"timelimit": [0, 0]},
        )
    ]
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", *map(json.dumps, odd))

    ids = [message["headers"]["id"] for message in odd]
    rows = until(lambda: len(fleet.rows(*ids)) == len(ids) and fleet.rows(*ids), log=fleet.output)
    assert {row["outcome"] for row in rows} == {"ok"}


def test_a_lone_surrogate_is_an_error_of_its_call_only(fleet: ChaosFleet) -> None:
    good, bad = {"text": "a"}, {"\ud800": "a"}
    sent = [
        _message([[], bad, {}], {"task": "wasmfleet.text.hash"}),
        _message([[], good | {"algorithm": "\ud800"}, {}], {"task": "wasmfleet.text.hash"}),
        _message([["text.hash", [good, bad]], {}, {}], {"task": "wasmfleet.batch"}),
    ]
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", *map(json.dumps, sent))

    ids = [message["headers"]["id"] for message in sent]
    rows = until(lambda: len(fleet.rows(*ids)) == 4 and fleet.rows(*ids), log=fleet.output)
    assert sorted(str(row["error_code"]) for row in rows) == [*["InvalidArguments"] * 3, "None"]


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "lzma", "brotli"])
def test_a_message_that_would_fill_the_memory_is_refused(fleet: ChaosFleet, kind: str) -> None:
    packed, content_type = compress(bytes(200 << 20), kind)
    bomb = _message([[], {}, {}], {"compression": content_type})
    bomb["body"] = base64.b64encode(packed).decode()
    bomb["properties"]["body_encoding"] = "base64"

    entry = _refused(fleet, bomb)

    assert entry["reason"] == "InputTooLarge: the message's body decompresses to more than 67,108,864 bytes"


def test_what_does_not_decompress_may_be_secret(fleet: ChaosFleet) -> None:
    packed, content_type = compress(b'[["crypto.encrypt", [{"data": "SECRET"}]], {}, {}]', "gzip")
    cut = _message([[], {}, {}], {"task": "wasmfleet.batch", "compression": content_type})
    cut["body"] = base64.b64encode(packed[:-9]).decode()
    cut["properties"]["body_encoding"] = "base64"

    entry = _refused(fleet, cut)

    assert entry["reason"] == "CorruptData: the message's compressed body ends early"
    assert (entry["message"], entry["not_kept"]) == (None, "arguments that may be secret are never kept")


def test_a_compressed_call_is_served(fleet: ChaosFleet) -> None:
    call = fleet.client().signature("wasmfleet.chaos.nap", kwargs={"seconds": 0.0}, queue="wasmfleet.python")
    for kind in ("gzip", "bzip2", "lzma", "brotli"):
        assert call.apply_async(compression=kind).get(timeout=20) == 0


def test_a_strange_queue_name_in_a_message_ends_no_worker(fleet: ChaosFleet) -> None:
    strange = _message({})
    del strange["headers"]["task"]
    strange["properties"]["delivery_info"] = {"routing_key": "\ud800"}

    assert _refused(fleet, strange)["queue"] == "?"


def test_a_malformed_message_under_the_id_of_a_running_call_ends_no_worker(fleet: ChaosFleet) -> None:
    [id] = fleet.publish(1, "chaos.nap", seconds=5.0)
    until(lambda: any(task["id"] == id for task in fleet.active()), log=fleet.output)

    assert _refused(fleet, _message(5, {"id": id}))["id"] == id
    assert set(fleet.settle([id])) == {id}


def test_what_may_be_secret_is_shown_and_kept_nowhere(fleet: ChaosFleet) -> None:
    call = fleet.client().signature("wasmfleet.chaos.nap", kwargs={"seconds": 4.25}, queue="wasmfleet.python")
    call.apply_async()
    [running] = until(fleet.active, log=fleet.output)
    encrypt = ["crypto.encrypt", [{"data": "SECRET", "key_id": "k"}]]

    kept = [
        _refused(fleet, _message([encrypt, {}, "x"], {"task": "wasmfleet.batch"})),
        _refused(fleet, _message([[], {"data": "SECRET"}, {}], {"task": "crypto.encrypt"})),
    ]

    assert (running["args"], running["kwargs"]) == ("(…)", "{…}")
    assert {entry["not_kept"] for entry in kept} == {"arguments that may be secret are never kept"}
    assert "SECRET" not in json.dumps(fleet.quarantine())


def _refused(fleet: ChaosFleet, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message, check that the worker lives on, and return the entry that is set aside."""
    [worker] = fleet.workers()
    before = fleet.set_aside()
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", json.dumps(message))
    [good] = fleet.publish(1, "chaos.nap")
    assert fleet.settle([good], seconds=60) == {good: 1}, fleet.output()
    assert [one.pid for one in fleet.workers()] == [worker.pid]
    until(lambda: fleet.set_aside() > before, log=fleet.output)
    newest, *others = fleet.quarantine()
    assert len(others) == before
    return newest


def _message(body: Any, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "body": json.dumps(body or [[], {}, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "wasmfleet.chaos.nap", "id": str(uuid.uuid4())} | (headers or {}),
        "properties": {"delivery_tag": str(uuid.uuid4()), "delivery_info": {}},
    }


def _has_good_id(message: dict[str, Any]) -> bool:
    id = message["headers"]["id"]
    return isinstance(id, str) and id.isascii() and "x" not in message["headers"]
