"""The quarantine never keeps the content of a message that may hold arguments of `crypto.*`."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.compression import compress
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import digests

_NOT_KEPT = "arguments that may be secret are never kept"
_OPEN = b'[[], {"data": "OPEN"}, {}]'
_SECRET = b'[["crypto.encrypt", [{"data": "SECRET"}]], {}, {}]'
_ESCAPED = _SECRET.replace(b"crypto.", b"crypto\\u002e")
_GZIPPED, _GZIP = compress(_SECRET, "gzip")
_COMPRESSED = {"headers": {"compression": _GZIP}}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("confidential")) as made:
        made.start_fleet("python")
        yield made


def test_what_follows_a_call_that_kills_its_process(fleet: ChaosFleet) -> None:
    client, before = fleet.client(), fleet.set_aside()
    crash = client.signature("wasmfleet.chaos.crash", queue="wasmfleet.python", immutable=True)
    encrypt = client.signature("wasmfleet.crypto.encrypt", (b"SECRET",), {"key_id": "k"}, immutable=True)
    batch = client.signature("wasmfleet.batch", ("crypto.encrypt", [{"data": b"SECRET"}]), immutable=True)

    for parts in ({"link": encrypt}, {"link_error": batch}, {"chain": [batch]}, {"chord": encrypt}):
        crash.apply_async(**parts)
    harmless = crash.apply_async(link=crash).id

    until(lambda: fleet.set_aside() == before + 5, what="all are set aside", log=fleet.output)
    kept = {entry["id"]: entry for entry in fleet.quarantine()[:5]}
    assert kept.pop(harmless)["message"]["body"][2]["callbacks"]
    assert {(entry["kind"], entry["not_kept"]) for entry in kept.values()} == {("killed", _NOT_KEPT)}
    assert {entry["message"] for entry in kept.values()} == {None}


def test_a_malformed_call_of_an_operation_that_is_known(fleet: ChaosFleet) -> None:
    link = {"task": "wasmfleet.crypto.encrypt", "args": ["SECRET"]}
    embeds: list[Any] = [{"callbacks": [link], "chain": [5]}, {"chain": [5]}]
    bodies = [json.dumps([[], {}, embed]) for embed in embeds]
    messages = [json.dumps(_message(body, {"delivery_info": {}})) for body in bodies]

    assert _kept(fleet, messages, bodies) == [False, True]


def test_a_message_that_is_malformed_outside(fleet: ChaosFleet) -> None:
    cases: list[tuple[bytes, dict[str, Any], bool]] = [
        (_OPEN, {}, True),
        (_SECRET, {}, False),
        (_ESCAPED, {}, False),
        (compress(_OPEN, "gzip")[0], _COMPRESSED, True),
        (_GZIPPED, _COMPRESSED, False),
        (_GZIPPED[:-9], _COMPRESSED, False),
        (_GZIPPED, {"headers": None}, False),
        (_GZIPPED, {"headers": {"compression": "unknown"}}, False),
        (_OPEN, {"headers": {"task": "wasmfleet.crypto.encrypt"}}, False),
        (base64.b64encode(_SECRET), {}, False),
        (_OPEN, {"body": json.loads(_SECRET)}, False),
    ]
    wrong = {"body_encoding": "base64", "delivery_info": None}
    raw = [
        json.dumps(_message(base64.b64encode(body).decode(), wrong) | changes) for body, changes, _ in cases
    ]

    assert _kept(fleet, raw) == [is_kept for *_, is_kept in cases]


def test_a_message_that_was_cut_off(fleet: ChaosFleet) -> None:
    whole = json.dumps(_message(base64.b64encode(_SECRET).decode(), {"body_encoding": "base64"}))

    assert _kept(fleet, [whole[:-9], whole[9:], "no message at all"]) == [False, False, True]


def test_the_id_of_what_has_none_does_not_tell_its_content_to_who_tries_them_all(fleet: ChaosFleet) -> None:
    raw = "the code is 1234"
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", raw)
    digest = digests.under(digests.key_file(Settings(data_dir=fleet.data)), raw.encode())

    [entry] = until(lambda: _set_aside(fleet, [digest]), log=fleet.output)

    assert re.fullmatch("malformed-[0-9a-f]{32}", entry["id"])
    assert hashlib.sha1(raw.encode()).hexdigest() not in json.dumps(entry)


def _message(body: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "wasmfleet.chaos.nap", "id": str(uuid.uuid4())},
        "properties": properties,
    }


def _kept(fleet: ChaosFleet, sent: list[str], bodies: list[str] | None = None) -> list[bool]:
    """Send messages that are set aside, and return for each whether the quarantine keeps its content."""
    key = digests.key_file(Settings(data_dir=fleet.data))
    expected = [digests.under(key, text.encode()) for text in bodies or sent]
    before = fleet.set_aside()
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", *sent)
    until(lambda: fleet.set_aside() == before + len(sent), log=fleet.output)
    found = _set_aside(fleet, expected)
    assert found
    assert {entry["not_kept"] for entry in found} <= {"", _NOT_KEPT}
    return [entry["message"] is not None for entry in found]


def _set_aside(fleet: ChaosFleet, expected: list[str]) -> list[dict[str, Any]]:
    """Return the quarantine's entries with these digests, in order, or an empty list until all are there."""
    entries = {entry["digest"]: entry for entry in fleet.quarantine()}
    return [entries[digest] for digest in expected] if set(expected) <= entries.keys() else []
