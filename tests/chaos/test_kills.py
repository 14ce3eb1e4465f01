"""Rows a, b, f, g, s: processes that die, end, or are killed by what they run."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.chaos import rows
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet, children, kill_group

_TASKS = 4000
_KILLS = 25
#: About a millisecond of work in the sandbox.
_SOURCE = "function f(a) { return a.map(x => x + 1); }\n" * 150


def test_a_workers_killed_at_random_lose_nothing(
    fleet: ChaosFleet, dice: random.Random, figures: Figures
) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("wasm")
    ids = fleet.publish(_TASKS, "ast.validate", lane="wasm", source=_SOURCE, filename="f.js")
    started = time.monotonic()
    for _ in range(_KILLS):
        wait_for = fleet.logged() + dice.randrange(1, 150)
        until(lambda n=wait_for: fleet.logged() >= min(n, _TASKS), seconds=60, log=fleet.output)
        kill_group(worker)
        worker = fleet.start_worker("wasm")

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    figures(
        "a  25 kills of workers, 4,000 tasks",
        **fleet.tally(ids, runs),
        stranded=fleet.stranded(),
        seconds=round(time.monotonic() - started, 1),
    )
    assert len(runs) == _TASKS
    assert fleet.logged() == _TASKS
    assert fleet.quarantine() == []  # no call is blamed for a death that it did not cause


def test_b_a_killed_child_costs_only_its_own_task_a_second_run(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")

    figures("b  kill of one child", **rows.child_killed(fleet, worker))
    assert len(children(worker)) >= 2


def test_b_an_idle_worker_notices_a_dead_child_at_once(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    fleet.start_worker("python")
    took = []
    for _ in range(4):
        ids = fleet.publish(1, "chaos.crash")
        published = time.monotonic()
        fleet.settle(ids)
        took.append(time.monotonic() - published)

    figures("b  three deaths, worker idle", seconds_at_most=round(max(took), 1))
    assert max(took) < 5  # Celery alone looks for dead children every 5 s, and often needs two or three looks


def test_f_sigterm_lets_running_tasks_end_and_gives_back_the_rest(
    fleet: ChaosFleet, figures: Figures
) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    ids = fleet.publish(12, "chaos.nap", seconds=2.0)
    until(lambda: fleet.held() >= 6, what="the worker has taken more than it can run")

    found = rows.terminated_twice(fleet, worker, ids)
    back = fleet.queued()
    fleet.start_worker("python")

    figures("f  SIGTERM twice during long tasks", **found, given_back=back)
    assert found["ended"] + back == len(ids)
    assert fleet.settle(ids) == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("before", [(), (signal.SIGTERM,)], ids=["at_once", "after_a_grace_time"])
def test_f_sigquit_ends_a_worker_at_once_and_others_take_over(
    fleet: ChaosFleet, figures: Figures, before: tuple[signal.Signals, ...]
) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    ids = fleet.publish(4, "chaos.nap", seconds=8.0)
    until(fleet.active, what="some run")
    for asked in (*before, signal.SIGQUIT):
        os.kill(worker, asked)
    began = time.monotonic()
    fleet.wait(worker, 20)
    took = time.monotonic() - began
    fleet.start_worker("python")

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    after = " after SIGTERM" if before else ""
    figures(f"f  SIGQUIT{after} during long tasks", **fleet.tally(ids, runs), exit_s=round(took, 1))
    assert runs == dict.fromkeys(ids, 1)
    assert took < 7  # less than the naps had left: they were cut off
    assert "lost its process" not in fleet.output()


def test_g_a_call_that_always_kills_its_process_is_set_aside(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    [poison] = fleet.publish(1, "chaos.crash")
    others = fleet.publish(50, "chaos.nap", seconds=0.01)
    started = time.monotonic()

    runs = fleet.settle([poison, *others], seconds=60)
    figures("g  a task that kills its process", seconds_to_quarantine=round(time.monotonic() - started, 1))

    [row] = fleet.rows(poison)
    assert (row["outcome"], row["error_code"]) == ("error", "Quarantined")
    assert runs.keys() == {poison, *others}
    [entry] = fleet.quarantine()
    assert (entry["id"], entry["kind"], entry["operation"]) == (poison, "killed", "wasmfleet.chaos.crash")
    assert entry["reason"] == "it killed its process 3 times"
    assert len(entry["digest"]) == 32
    assert entry["message"]["body"][1] == {}
    assert fleet.workers()[0].pid == worker
    fleet.nothing_is_held()


def test_s_one_bad_item_among_a_thousand_is_one_error(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    calls = [{"really": False}] * 1000
    calls[500] = {"really": True}

    answers = {
        operation: fleet.batch(f"chaos.{operation}", calls, timeout=120) for operation in ("crash", "hang")
    }

    good = {name: sum(not answer[0] for answer in given) for name, given in answers.items()}
    bad = {name: {i: a for i, a in enumerate(given) if a[0]} for name, given in answers.items()}
    figures(
        "s  one bad item in 1,000",
        results=min(good.values()),
        kills=bad["crash"][500][1],
        hangs=bad["hang"][500][1],
    )
    assert good == {"crash": 999, "hang": 999}
    assert {name: list(found) for name, found in bad.items()} == {"crash": [500], "hang": [500]}
    assert (bad["crash"][500][1], bad["hang"][500][1]) == ("Quarantined", "DeadlineExceeded")
    assert fleet.workers()[0].pid == worker


@pytest.mark.parametrize(
    ("item", "does", "error"), [(b"t", "traps", "SandboxTrap"), (b"h", "hangs", "DeadlineExceeded")]
)
def test_s_one_bad_item_in_the_sandbox_is_one_error(
    tmp_path: Path, guests: Path, figures: Figures, item: bytes, does: str, error: str
) -> None:
    with chaos_fleet(tmp_path, MODULES=str(guests), TIME_LIMIT="1") as fleet:
        fleet.start("broker")
        worker = fleet.start_worker("wasm")
        calls = [{"data": b"o"}] * 1000
        calls[500] = {"data": item}

        answers = fleet.batch("judging.judge", calls, timeout=120, queue="wasmfleet.wasm.batch")

        bad = {index: answer[1] for index, answer in enumerate(answers) if answer[0]}
        figures(f"s  one item in 1,000 {does} in the sandbox", results=1000 - len(bad), error=bad.get(500))
        assert bad == {500: error}
        assert fleet.workers()[0].pid == worker
