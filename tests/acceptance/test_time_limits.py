"""How long calls may run in the plain-Python lane, alone and in a batch."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.fleet import ChaosFleet, chaos_fleet, children


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("limits"), CONCURRENCY="4", TIME_LIMIT="0.5") as made:
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


def test_the_soft_limit_of_a_client_without_this_package_is_the_calls_limit(fleet: ChaosFleet) -> None:
    def nap(seconds: float, soft_s: float) -> Any:
        kwargs = {"seconds": seconds}
        task = fleet.client().signature("wasmfleet.chaos.nap", kwargs=kwargs, queue="wasmfleet.python")
        return task.apply_async(soft_time_limit=soft_s)

    short, long, tiny, huge = nap(0.4, 0.2), nap(6.5, 20), nap(0.4, 1e-9), nap(0.8, 1e9)

    with pytest.raises(Exception, match=r"its time limit of 0\.2 s"):
        short.get(timeout=30)
    with pytest.raises(Exception, match="time") as raised:
        tiny.get(timeout=30)
    assert type(raised.value).__name__ == "DeadlineExceeded"
    assert (long.get(timeout=30), huge.get(timeout=30)) == (6.5, 0.8)


def test_the_soft_limit_of_a_batch_is_that_of_each_call(fleet: ChaosFleet) -> None:
    args = ("chaos.hang", [{"really": False}, *[{"really": True}] * 9])
    task = fleet.client().signature("wasmfleet.batch", args=args, queue="wasmfleet.python")

    answers = task.apply_async(soft_time_limit=1).get(timeout=30)

    assert [answer[1] for answer in answers] == [False, *["DeadlineExceeded"] * 9]
    assert "its time limit of 1 s" in answers[1][2]


def test_a_soft_limit_moves_the_kill_though_no_hard_limit_is_given(fleet: ChaosFleet) -> None:
    """As in a call that is handed over: Celery sends it on with both limits, the hard one None."""
    given = fleet.run(
        "from wasmfleet.workers.batch import find\n"
        "call = find('chaos.nap').apply_async(kwargs={'seconds': 6.5}, lane='python', soft_time_limit=20,"
        " time_limit=None)\n"
        "print(call.get(timeout=30))"
    )

    assert given == "6.5\n"
