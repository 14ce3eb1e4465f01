"""Clients in other languages: what docs/wire.md says, and the program in examples/node that was written from it."""

import base64
import hashlib
import json
import pickle
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import xxhash
from celery.exceptions import TaskError
from redis import Redis

from tests.acceptance.installation import Installation, code_of, installation, until
from tests.needs import need

_ROOT = Path(__file__).parents[2]
_DATA = bytes([0, 159, 146, 150, 255])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("wire")) as made:
        made.start_fleet("wasm", "python")
        yield made


def sent(
    fleet: Installation, args: Any, kwargs: Any, *, task: str, queue: str = "wasmfleet.any", **changes: Any
) -> dict[str, Any]:
    """Publish a call with the fewest parts that docs/wire.md asks for, and return what is stored as its result."""
    id = changes["headers"]["id"] if "headers" in changes else str(uuid.uuid4())
    message = {
        "body": json.dumps([args, kwargs, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": task, "id": id},
        "properties": {},
    }
    with Redis.from_url(fleet.url) as broker:
        broker.lpush(queue, json.dumps(message | changes))
        found = until(lambda: broker.get(f"celery-task-meta-{id}"), what="the result", log=fleet.output)
    return dict(json.loads(found))


def test_a_program_in_javascript_gets_values_bytes_errors_and_batches(fleet: Installation) -> None:
    [node] = need("node")
    done = subprocess.run(
        [node, _ROOT / "examples/node/demo.mjs", fleet.url], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stderr + fleet.output()
    assert done.stdout.splitlines() == [
        f"digest {hashlib.sha256(_DATA).hexdigest()}",
        "bytes true true",
        "error CorruptData: data: does not decode: it does not begin as a gzip member { offset: 0 }",
        f"item {xxhash.xxh3_64_hexdigest(b'a')}",
        "item InvalidArguments",
        f"item {xxhash.xxh3_64_hexdigest('é'.encode())}",
        "none 2 1 null",
    ]


@pytest.mark.parametrize("queue", ["wasmfleet.any", "wasmfleet.wasm", "wasmfleet.python"])
@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(_DATA).decode(),
        base64.urlsafe_b64encode(_DATA).decode().rstrip("="),
        {"__type__": "base64", "__value__": base64.b64encode(_DATA).decode()},
    ],
)
def test_bytes_in_json_are_base64_text_or_kombus_form(fleet: Installation, queue: str, data: Any) -> None:
    answer = sent(fleet, [], {"data": data}, task="wasmfleet.digest.digest", queue=queue)

    assert answer["result"] == hashlib.sha256(_DATA).hexdigest()


def test_bytes_in_a_batch_of_json_are_base64_too(fleet: Installation) -> None:
    calls = [{"data": "YQ"}, {"data": "no base64"}, {"data": {"__type__": "bytes", "__value__": "a"}}]
    answer = sent(fleet, ["digest.digest", calls], {}, task="wasmfleet.batch", queue="wasmfleet.any.batch")

    digest = hashlib.sha256(b"a").hexdigest()
    said = "digest.digest: `data`: expected `bytes`, got text that is not base64 (RFC 4648)"
    assert answer["result"] == [[0, digest], [1, "InvalidArguments", said, {}], [0, digest]]


def test_base64_text_is_read_by_the_worker_that_a_call_is_sent_on_to(fleet: Installation) -> None:
    """A plain-Python worker sends a call that demands a sandbox on to another worker."""
    id = str(uuid.uuid4())
    headers = {"task": "wasmfleet.digest.digest", "id": id, "wasmfleet": {"lane": "wasm", "reply": "json"}}
    answer = sent(fleet, [], {"data": "YQ=="}, task="", queue="wasmfleet.python", headers=headers)

    [row] = fleet.rows(id)
    assert (answer["result"], row["engine"]) == (hashlib.sha256(b"a").hexdigest(), "wasm")


def test_an_error_in_json_has_its_code_message_and_details(fleet: Installation) -> None:
    answer = sent(fleet, ["YWJj"], {}, task="wasmfleet.compression.decompress", queue="wasmfleet.wasm")

    error = answer["result"]
    assert (answer["status"], error["code"], error["details"]) == ("FAILURE", "CorruptData", {"offset": 0})
    assert error["exc_message"] == [f"CorruptData: {error['message']} (offset 0)"]


def test_an_error_of_a_stock_client_reads_well_and_can_be_pickled(fleet: Installation) -> None:
    with pytest.raises(TaskError) as raised:
        fleet.call("compression.decompress", data=b"not gzip").get(timeout=30)

    print(type(raised.value), raised.value)
    assert code_of(raised.value) == "CorruptData"
    assert str(raised.value).startswith("CorruptData: data: does not decode: ")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), again.args) == (type(raised.value), raised.value.args)


@pytest.mark.parametrize(
    ("args", "value"),
    [
        ({"data": "AAE="}, {"__type__": "bytes", "__value__": "\0\1"}),
        ({"data": "gP8="}, {"__type__": "base64", "__value__": "gP8="}),
    ],
)
def test_bytes_in_results_are_typed(fleet: Installation, args: dict[str, Any], value: Any) -> None:
    zipped = sent(fleet, [], args | {"codec": "zlib"}, task="wasmfleet.compression.compress")["result"]
    answer = sent(fleet, [zipped], {"codec": "zlib"}, task="wasmfleet.compression.decompress")

    assert answer["result"] == value


def test_the_message_of_the_page_is_a_call(fleet: Installation) -> None:
    shown = re.findall(r"```json\n(\{\n.*?\n\})\n```", (_ROOT / "docs/wire.md").read_text(), re.DOTALL)[0]
    message = json.loads(shown.replace("5c2f7c8e-51a1-4e8c-9d41-0f0f6b1c6f9a", str(uuid.uuid4())))

    answer = sent(fleet, [], {}, task="", **message)

    assert answer["result"] == hashlib.sha256(b"abc").hexdigest()
    program = (_ROOT / "examples/node/wasmfleet.mjs").read_text()
    for name in [*message, *message["headers"], *message["properties"]]:
        assert name in program, name


def test_messagepack_is_read_and_given_where_it_is_asked_for(fleet: Installation) -> None:
    id, changes = str(uuid.uuid4()), {"content-type": "application/x-msgpack", "content-encoding": "binary"}
    for data in (_DATA, "YQ=="):
        body = base64.b64encode(msgpack.packb([[], {"data": data}, {}])).decode()
        headers = {"task": "wasmfleet.digest.digest", "id": id, "wasmfleet": {"reply": "msgpack"}}
        message = {"body": body, "headers": headers, "properties": {"body_encoding": "base64"}} | changes
        with Redis.from_url(fleet.url) as broker:
            broker.lpush("wasmfleet.any", json.dumps(message))
            found = until(
                lambda: broker.getdel(f"celery-task-meta-{id}"), what="the result", log=fleet.output
            )
        answer = msgpack.unpackb(found)
        if data == _DATA:
            assert answer["result"] == hashlib.sha256(_DATA).hexdigest()
        else:  # text is base64 in JSON only
            assert answer["result"]["exc_type"] == "InvalidArguments"
            assert answer["result"]["exc_message"] == ["digest.digest: `data`: expected `bytes`, got `str`"]


@pytest.mark.parametrize(
    ("task", "kwargs", "said"),
    [
        ("metrics.aggregate", '{"series": {"a": [NaN]}}', "`series['a'][0]`: expected `float[finite]`"),
        ("metrics.aggregate", '{"series": {"a": [Infinity]}}', "`series['a'][0]`: expected `float[finite]`"),
        (
            "compression.compress",
            '{"data": "", "level": 18446744073709551616}',
            "`level`: expected `int[0 to 12]`",
        ),
        ("compression.compress", '{"data": "", "level": 1.0}', "`level`: expected `int | null`, got `float`"),
        ("compression.compress", '{"data": null}', "`data`: expected `bytes`, got `null`"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_refused_by_name(
    fleet: Installation, task: str, kwargs: str, said: str
) -> None:
    answer = sent(fleet, [], {}, task=f"wasmfleet.{task}", body=f"[[], {kwargs}, {{}}]")

    assert (answer["result"]["code"], answer["result"]["message"]) == ("InvalidArguments", f"{task}: {said}")


def test_none_and_the_largest_whole_numbers_are_taken(fleet: Installation) -> None:
    body = '[[], {"data": "YQ", "level": null, "codec": "lz4"}, {}]'
    packed = sent(fleet, [], {}, task="wasmfleet.compression.compress", body=body)["result"]
    kwargs = {"data": packed, "codec": "lz4", "max_size": 2**53}

    answer = sent(fleet, [], kwargs, task="wasmfleet.compression.decompress")

    assert answer["result"] == {"__type__": "bytes", "__value__": "a"}
