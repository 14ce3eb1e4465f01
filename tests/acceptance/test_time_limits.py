"""How long calls may run in the plain-Python lane, alone and in a batch."""

from collections.abc import Iterator

import pytest

from tests.chaos.fleet import ChaosFleet, chaos_fleet, children


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("limits"), TIME_LIMIT="0.5") as made:
        made.start_fleet("python")
        yield made


def test_a_batch_without_time_left_keeps_what_it_has_done(fleet: ChaosFleet) -> None:
    [worker] = fleet.workers()
    before = children(worker.pid)
    calls = [{"really": False}, *[{"really": True}] * 20, {"really": False}]

    answers = fleet.batch("chaos.hang", calls, timeout=30)

    assert [answer[1] for answer in answers] == [False, *["DeadlineExceeded"] * 21]
    assert "its time limit of 0.5 s" in answers[1][2]
    assert "the batch used up its time" in answers[-1][2]
    rows = fleet.read("SELECT outcome, executions FROM results WHERE operation = 'wasmfleet.chaos.hang'")
    assert sorted(rows) == [*[("error", 1)] * 21, ("ok", 1)]
    assert children(worker.pid) == before
