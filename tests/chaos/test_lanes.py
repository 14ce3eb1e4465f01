"""Calls whose sandbox cannot load: plain Python serves them or they wait, until the sandbox is back."""

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.installation import Installation, code_of, installation, until

GOOD = {"source": "export const a = 1;", "filename": "a.js"}
BAD = {"source": "const a = ;", "filename": "a.js"}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


def verdict_and_row(fleet: Installation, arguments: dict[str, str]) -> tuple[bool, dict[str, object]]:
    result = fleet.call("ast.validate", **arguments)
    report = result.get(timeout=30)
    [row] = fleet.rows(result.id)
    return report["valid"], row


def module_state(fleet: Installation, name: str) -> tuple[str, str]:
    [worker] = [worker for worker in fleet.workers() if worker.role == "wasm"]
    return worker.modules.get(name, ("", ""))


def break_wasmtime(fleet: Installation) -> Path:
    fake = fleet.package.parent / "wasmtime"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise ImportError('libwasmtime.so: cannot open shared object file')")
    return fake


def assert_served_by_plain_python(fleet: Installation, reason: str) -> None:
    assert [verdict_and_row(fleet, GOOD)[0], verdict_and_row(fleet, BAD)[0]] == [True, False]
    row = verdict_and_row(fleet, GOOD)[1]
    assert (row["engine"], row["outcome"]) == ("python", "ok")
    assert reason in str(row["handed_over"])
    until(lambda: reason in module_state(fleet, "ast")[1], what=f"heartbeat says {reason}: {fleet.workers()}")


def assert_what_cannot_be_sent_on_has_its_error_and_row(fleet: Installation) -> None:
    """Send calls that Celery cannot send on, because a header names a stamp that the message lacks."""
    ids = {"wasmfleet.any": str(uuid.uuid4()), "wasmfleet.wasm": str(uuid.uuid4())}
    with Redis.from_url(fleet.url) as broker:
        for queue, id in ids.items():
            message = {
                "body": json.dumps([[], GOOD, {}]),
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {
                    "task": "wasmfleet.ast.validate",
                    "id": id,
                    "stamped_headers": ["x"],
                    "stamps": {},
                },
                "properties": {"delivery_tag": id, "delivery_info": {}},
            }
            broker.lpush(queue, json.dumps(message))
    for id in ids.values():
        until(lambda id=id: fleet.rows(id), log=fleet.output)
        [row] = fleet.rows(id)
        assert row["error_code"] == "InvalidArguments"
        assert "cannot be sent on" in row["error_message"]


def test_a_missing_module_moves_only_its_own_calls_and_comes_back(fleet: Installation) -> None:
    binary, aside = fleet.package / "wasm_bin" / "ast.wasm", fleet.folder / "ast.wasm"
    shutil.move(binary, aside)
    fleet.start_fleet("wasm", "python")

    assert_served_by_plain_python(fleet, "ast.wasm cannot be read")
    digest = fleet.call("digest.digest", data=b"abc")
    digest.get(timeout=30)
    assert fleet.rows(digest.id)[0]["engine"] == "wasm"

    assert_what_cannot_be_sent_on_has_its_error_and_row(fleet)
    waiting = fleet.call("ast.validate", lane="wasm", **GOOD)
    until(lambda: "waited" not in waiting.state, seconds=2)
    assert not waiting.ready()
    shutil.move(aside, binary)
    assert waiting.get(timeout=10)["unchecked"] == []
    until(lambda: verdict_and_row(fleet, GOOD)[1]["engine"] == "wasm", seconds=10)


def test_an_unimportable_wasmtime_leaves_the_fleet_serving_and_comes_back(fleet: Installation) -> None:
    fake = break_wasmtime(fleet)
    fleet.start_fleet("wasm", "python")

    assert_served_by_plain_python(fleet, "libwasmtime.so")
    waiting = fleet.call("ast.validate", lane="wasm", **GOOD)

    shutil.rmtree(fake)
    assert waiting.get(timeout=10)["unchecked"] == []
    assert fleet.rows(waiting.id)[0]["engine"] == "wasm"
    until(lambda: verdict_and_row(fleet, GOOD)[1]["engine"] == "wasm", seconds=10)


def test_a_damaged_cache_is_never_run_and_is_compiled_anew(fleet: Installation) -> None:
    for artefact in fleet.own_cache().glob("*.cwasm"):
        damaged = bytearray(artefact.read_bytes())
        damaged[len(damaged) // 2] ^= 0x10
        artefact.write_bytes(damaged)
    fleet.start_fleet("wasm", "python")

    handed_over = [verdict_and_row(fleet, GOOD) for _ in range(3)]

    assert all(valid for valid, _ in handed_over)
    assert all(row["engine"] == "wasm" or "damaged" in str(row["handed_over"]) for _, row in handed_over)
    until(lambda: verdict_and_row(fleet, GOOD)[1]["engine"] == "wasm", seconds=60)


def test_without_any_accelerated_worker_a_fallback_worker_takes_the_lane_any(fleet: Installation) -> None:
    fleet.start_fleet("python")

    valid, row = verdict_and_row(fleet, GOOD)

    assert (valid, row["engine"]) == (True, "python")


def test_a_wasm_call_that_expires_without_a_sandbox_says_so(fleet: Installation) -> None:
    (fleet.package / "wasm_bin" / "ast.wasm").unlink()
    fleet.start_fleet("wasm", "python")
    signature = fleet.client().signature("wasmfleet.ast.validate", kwargs=GOOD, queue="wasmfleet.wasm")

    result = signature.apply_async(expires=3)
    until(result.ready)

    assert code_of(result.result) == "RuntimeUnavailable"
    [row] = fleet.rows(result.id)
    assert (row["error_code"], row["engine"]) == ("RuntimeUnavailable", "")


def test_a_wasm_call_that_expired_before_a_worker_came_says_so(fleet: Installation) -> None:
    fleet.start_fleet("python")
    signature = fleet.client().signature("wasmfleet.ast.validate", kwargs=GOOD, queue="wasmfleet.wasm")
    result = signature.apply_async(expires=0.001)
    fleet.start("wasm")

    until(result.ready)

    assert (result.state, code_of(result.result)) == ("REVOKED", "RuntimeUnavailable")
    assert [row["error_code"] for row in fleet.rows(result.id)] == ["RuntimeUnavailable"]


SECRETS = [{"data": b"SECRET"}] * 3


@pytest.mark.parametrize(
    "given", [{"args": ("crypto.md5", SECRETS)}, {"kwargs": {"operation": "crypto.md5", "calls": SECRETS}}]
)
def test_a_batch_that_is_sent_on_shows_only_its_shape(fleet: Installation, given: dict[str, Any]) -> None:
    break_wasmtime(fleet)
    fleet.start_fleet("wasm")
    client = fleet.client()
    client.conf.accept_content = ["json", "msgpack"]
    batch = client.signature("wasmfleet.batch", **given)

    batch.clone().apply_async(queue="wasmfleet.any.batch")
    batch.clone().apply_async(queue="wasmfleet.wasm.batch")

    handed_over = until(lambda: headers(fleet, "wasmfleet.python.batch"), log=fleet.output)
    waiting = until(lambda: scheduled(client), log=fleet.output)
    shown = [(header["argsrepr"], header["kwargsrepr"]) for header in handed_over]
    shown += [(request["args"], request["kwargs"]) for request in waiting]
    assert shown == [("(crypto.md5, 3 calls)", "{}")] * 2


def headers(fleet: Installation, queue: str) -> list[dict[str, Any]]:
    with Redis.from_url(fleet.url) as broker:
        messages: Any = broker.lrange(queue, 0, -1)
    return [json.loads(message)["headers"] for message in messages]


def scheduled(client: Any) -> list[dict[str, Any]]:
    """Return the calls that wait for their time, as the workers report them."""
    answers = client.control.inspect(timeout=2).scheduled() or {}
    return [task["request"] for tasks in answers.values() for task in tasks]
