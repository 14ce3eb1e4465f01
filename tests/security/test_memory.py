"""A child that runs out of memory: its call fails with MemoryLimitExceeded, and the child goes on."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.acceptance.installation import code_of
from tests.chaos.fleet import ChaosFleet, chaos_fleet, children
from tests.security.bombs import message

_CHILDS_MIB = 16 + 512  # WASMFLEET_MEMORY_LIMIT, and the memory that a child has besides it


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    folder = tmp_path_factory.mktemp("memory")
    with chaos_fleet(folder, MEMORY_LIMIT="16", MAX_VALUES="1000000000", MAX_OUTPUT="512") as made:
        made.start_fleet("python")
        yield made


def test_arguments_that_become_too_many_objects(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    before = children(worker.pid)
    maps = 12 * (_CHILDS_MIB << 20) // 640  # an empty dictionary takes 64 bytes
    sent = message(b"\x93\x91\xdd" + maps.to_bytes(4, "big") + b"\x80" * maps + b"\x80\x80")
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", json.dumps(sent))
    id = sent["headers"]["id"]

    with pytest.raises(Exception, match="memory") as raised:
        fleet.client().AsyncResult(id).get(timeout=60)
    assert code_of(raised.value) == "MemoryLimitExceeded"
    [row] = fleet.rows(id)
    assert row["error_code"] == "MemoryLimitExceeded"
    assert children(worker.pid) == before


def test_a_result_that_is_too_large_for_its_child(fleet: ChaosFleet) -> None:
    """The result fits once, into the process of its twin, but the child that passes it on needs it several times."""
    [worker] = fleet.workers()
    call = fleet.client().signature("wasmfleet.chaos.letters", queue="wasmfleet.python")

    sent = call.apply_async(kwargs={"size": 300 << 20})

    with pytest.raises(Exception, match="memory") as raised:
        sent.get(timeout=60)
    assert code_of(raised.value) == "MemoryLimitExceeded"
    assert [one.pid for one in fleet.workers()] == [worker.pid]
    assert len(call.apply_async(kwargs={"size": 1000}).get(timeout=30)) == 1000
