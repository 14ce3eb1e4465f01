"""Messages that could end workers: no main process decodes them, and each harms at most its own call."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest
from redis import Redis

from tests.acceptance.installation import code_of, until
from tests.chaos.fleet import ChaosFleet, chaos_fleet, children
from tests.security.bombs import BOMBS, message

_MOST_MAIN_MIB = 400
_MOST_CHILD_MIB = 600


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("messages"), MEMORY_LIMIT="256") as made:
        made.start_fleet("python")
        yield made


def _peak_mib(pid: int) -> int:
    [line] = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) >> 10


def _forget_peaks(*pids: int) -> None:
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _put(fleet: ChaosFleet, *messages: dict[str, Any]) -> None:
    with Redis.from_url(fleet.url) as broker:
        for message in messages:
            broker.lpush("wasmfleet.python", json.dumps(message))


@pytest.mark.parametrize("name", BOMBS)
def test_no_message_takes_much_memory_or_ends_a_process(fleet: ChaosFleet, name: str) -> None:
    [worker] = fleet.workers()
    [child] = children(worker.pid)
    bomb, before = BOMBS[name](), fleet.set_aside()
    _forget_peaks(worker.pid, child)

    _put(fleet, bomb)

    [good] = fleet.publish(1, "chaos.nap")
    assert fleet.settle([good], seconds=60) == {good: 1}, fleet.output()
    until(lambda: fleet.rows(bomb["headers"]["id"]) or fleet.set_aside() > before, log=fleet.output)
    main_mib, child_mib = _peak_mib(worker.pid), _peak_mib(child)
    print(f"{main_mib} MiB at most in the main process, {child_mib} in its child")
    assert main_mib <= _MOST_MAIN_MIB
    assert child_mib <= _MOST_CHILD_MIB
    assert ([one.pid for one in fleet.workers()], children(worker.pid)) == ([worker.pid], [child])
    fleet.nothing_is_held()


def test_many_large_messages_at_once_stay_within_the_memory_of_a_worker(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    size = 30 << 20
    body = b"\x93\x90\x81" + msgpack.packb("size") + msgpack.packb("x" * size) + b"\x80"
    large = [message(body, task="wasmfleet.chaos.letters") for _ in range(6)]
    _forget_peaks(worker.pid)

    _put(fleet, *large)

    ids = [message["headers"]["id"] for message in large]
    until(lambda: len(fleet.rows(*ids)) == len(ids), seconds=60, log=fleet.output)
    assert {row["error_code"] for row in fleet.rows(*ids)} == {"InvalidArguments"}
    print(f"{_peak_mib(worker.pid)} MiB at most in the main process")
    assert _peak_mib(worker.pid) <= _MOST_MAIN_MIB
    assert [one.pid for one in fleet.workers()] == [worker.pid]


def test_large_calls_that_wait_for_their_time_wait_in_the_broker(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    size = 20 << 20
    body = b"\x93\x90\x81" + msgpack.packb("size") + msgpack.packb("x" * size) + b"\x80"
    due = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    large = [message(body, task="wasmfleet.chaos.letters", headers={"eta": due}) for _ in range(10)]
    _forget_peaks(worker.pid)

    _put(fleet, *large)

    [good] = fleet.publish(1, "chaos.nap")
    assert fleet.settle([good], seconds=60) == {good: 1}
    ids = [message["headers"]["id"] for message in large]
    until(lambda: len(fleet.rows(*ids)) == len(ids), seconds=60, log=fleet.output)
    assert {row["error_code"] for row in fleet.rows(*ids)} == {"InvalidArguments"}
    print(f"{_peak_mib(worker.pid)} MiB at most in the main process")
    assert _peak_mib(worker.pid) <= _MOST_MAIN_MIB
    fleet.nothing_is_held()


@pytest.mark.parametrize(
    "name",
    ["map", "starmap", "chunks", "group", "chain", "chord", "chord_unlock", "backend_cleanup", "accumulate"],
)
def test_there_is_one_way_to_an_operation(fleet: ChaosFleet, name: str) -> None:
    task = {"task": "wasmfleet.digest.digest", "args": [], "kwargs": {}, "options": {}, "subtask_type": None}
    given = {"task": task, "it": [["abc"]]}
    sent = fleet.client().send_task(f"celery.{name}", kwargs=given, queue="wasmfleet.python")

    with pytest.raises(Exception, match="is not served") as raised:
        sent.get(timeout=30)

    assert code_of(raised.value) == "UnknownOperation"
    [row] = fleet.rows(sent.id)
    assert (row["error_code"], row["engine"]) == ("UnknownOperation", "")


def test_what_follows_a_call_fails_with_a_row_and_a_result_of_its_own(fleet: ChaosFleet) -> None:
    client, queue = fleet.client(), "wasmfleet.python"
    hashed = client.signature("wasmfleet.digest.digest", (b"abc",), queue=queue)
    summed = client.signature("wasmfleet.metrics.aggregate", queue=queue)
    linked = client.signature("wasmfleet.compression.compress", queue=queue, task_id=str(uuid.uuid4()))
    errback = client.signature("wasmfleet.metrics.aggregate", queue=queue, task_id=str(uuid.uuid4()))

    chained = (hashed | summed).apply_async()
    with pytest.raises(Exception, match="expected `object`") as raised:
        chained.get(timeout=30)
    assert len(hashed.apply_async(link=linked).get(timeout=30)) == 64
    with pytest.raises(Exception, match="codec"):
        client.signature("wasmfleet.compression.compress", (b"", "?"), queue=queue).apply_async(
            link_error=errback
        ).get(timeout=30)
    for follow_up in ({"link": client.signature("celery.map")}, {"chain": [client.signature("celery.map")]}):
        with pytest.raises(Exception, match=r"celery\.map is not served"):
            hashed.apply_async(**follow_up).get(timeout=30)

    assert code_of(raised.value) == "InvalidArguments"
    ids = [chained.id, linked.options["task_id"], errback.options["task_id"]]
    until(lambda: len(fleet.rows(*ids)) == 3, what="each has its row", log=fleet.output)
    assert {row["error_code"] for row in fleet.rows(*ids)} == {"InvalidArguments"}
    [first] = fleet.rows(chained.parent.id)
    assert (first["outcome"], chained.parent.get(timeout=5)[:4]) == ("ok", "ba78")


def test_a_twin_that_wants_too_much_memory_is_told_so_and_its_child_goes_on(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    before = children(worker.pid)
    client, queue = fleet.client(), "wasmfleet.python"
    native = client.signature(
        "wasmfleet.ast.validate", queue=queue, kwargs={"source": ";" * (8 << 20), "filename": "a.js"}
    )
    python = client.signature("wasmfleet.chaos.devour", queue=queue, kwargs={"mebibytes": 1000})

    for call in (native, python):
        with pytest.raises(Exception, match="memory") as raised:
            call.apply_async().get(timeout=60)
        assert code_of(raised.value) == "MemoryLimitExceeded"

    assert children(worker.pid) == before
    assert (
        client.signature("wasmfleet.chaos.devour", queue=queue, kwargs={"mebibytes": 50})
        .apply_async()
        .get(timeout=30)
        == 50
    )
