"""Cancelled batches: one that has not begun is withdrawn for good, one that has begun finishes as usual."""

import json

import pytest

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet


@pytest.fixture
def fleet(misbehaving: ChaosFleet) -> ChaosFleet:
    return misbehaving


def test_a_cancelled_batch_is_skipped_by_workers_that_start_later(fleet: ChaosFleet) -> None:
    [id] = json.loads(
        fleet.run(
            "import json\n"
            "from wasmfleet.workers.calls.catalogue import find\n"
            "batch = find('chaos.nap').many([{'seconds': 0.0}] * 3, lane='python')\n"
            "batch.cancel()\n"
            "print(json.dumps(batch.task_ids))"
        )
    )
    fleet.start_worker("python")

    rows = until(lambda: fleet.rows(id), log=fleet.output)
    assert [row["item"] for row in rows] == [0, 1, 2]
    assert {(row["operation"], row["outcome"], row["error_code"]) for row in rows} == {
        ("wasmfleet.chaos.nap", "revoked", "Cancelled")
    }
    fleet.nothing_is_held()


def test_a_cancelled_batch_that_has_begun_is_answered_with_what_it_came_to(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    fleet.start_worker("wasm")
    id, answer = json.loads(
        fleet.run(
            "import json, time\n"
            "from wasmfleet.workers.calls.catalogue import find\n"
            "batch = find('chaos.nap').many([{'seconds': 4.0}], lane='python')\n"
            "time.sleep(1.5)\n"
            "batch.cancel()\n"
            "print(json.dumps([*batch.task_ids, *(item.value for item in batch.results(timeout=30))]))"
        )
    )

    assert answer == 4.0
    assert [row["outcome"] for row in fleet.rows(id)] == ["ok"]
