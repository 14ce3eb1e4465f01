"""Time limits of calls in the plain-Python lane, alone and in a batch."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.installation import code_of
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
    short, tiny, long = (
        _nap(fleet, 0.4, soft_s=0.2),
        _nap(fleet, 0.4, soft_s=1e-9),
        _nap(fleet, 0.3, soft_s=20),
    )

    with pytest.raises(Exception, match=r"its time limit of 0\.2 s"):
        short.get(timeout=30)
    with pytest.raises(Exception, match="time") as raised:
        tiny.get(timeout=30)
    assert code_of(raised.value) == "DeadlineExceeded"
    assert long.get(timeout=30) == 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"soft_time_limit": 1e9},
        {"time_limit": 1e9},
        {"soft_time_limit": 1e9, "time_limit": 1e9},
        {"headers": {"wasmfleet": {"lane": "python", "limit_s": 1e9}}},
        {"headers": {"wasmfleet": {"lane": "python", "limit_s": 1e9}}, "time_limit": 1e9},
    ],
)
def test_no_sender_gets_more_time_than_the_worker_gives(fleet: ChaosFleet, options: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"its time limit of 0\.5 s"):
        _nap(fleet, 60, **options).get(timeout=30)


def test_a_batch_gets_no_more_time_than_the_worker_gives(fleet: ChaosFleet) -> None:
    args = ("chaos.hang", [{"really": False}, *[{"really": True}] * 9])
    task = fleet.client().signature("wasmfleet.batch", args=args, queue="wasmfleet.python")

    few = task.apply_async(soft_time_limit=0.2).get(timeout=30)
    many = task.apply_async(soft_time_limit=1e9, time_limit=1e9).get(timeout=30)

    for answers, limit in ((few, "0.2"), (many, "0.5")):
        assert [answer[1] for answer in answers] == [False, *["DeadlineExceeded"] * 9]
        assert f"its time limit of {limit} s" in answers[1][2]


def test_a_soft_limit_is_kept_though_no_hard_limit_is_given(fleet: ChaosFleet) -> None:
    """Send both limits, the hard one None, as Celery does with a call that is handed over to another lane."""
    given = fleet.run(
        "from wasmfleet.workers.calls.catalogue import find\n"
        "call = find('chaos.nap').apply_async(kwargs={'seconds': 0.4}, lane='python', soft_time_limit=0.2,"
        " time_limit=None)\n"
        "print(type(call.get(timeout=30, propagate=False)).__name__)"
    )

    assert given == "DeadlineExceeded\n"


def test_native_code_that_obeys_no_signal_ends_at_its_deadline_and_its_child_goes_on(
    fleet: ChaosFleet,
) -> None:
    """Brotli's highest quality on 8 MiB takes some 20 s, in which Python runs no signal handler."""
    [worker] = fleet.workers()
    before = children(worker.pid)
    task = fleet.client().signature("wasmfleet.compression.compress", queue="wasmfleet.python")
    started = time.monotonic()

    with pytest.raises(Exception, match=r"its time limit of 0\.5 s"):
        task.apply_async(kwargs={"data": os.urandom(8 << 20), "codec": "brotli", "level": 11}).get(timeout=30)

    assert (
        time.monotonic() - started < 5
    )  # ten times the limit, for a loaded machine; Celery would kill the child at 5.5 s
    assert _nap(fleet, 0.0).get(timeout=30) == 0.0
    assert children(worker.pid) == before


def _nap(fleet: ChaosFleet, seconds: float, *, soft_s: float | None = None, **options: Any) -> Any:
    task = fleet.client().signature(
        "wasmfleet.chaos.nap", kwargs={"seconds": seconds}, queue="wasmfleet.python"
    )
    return task.apply_async(**({"soft_time_limit": soft_s} if soft_s else {}), **options)
