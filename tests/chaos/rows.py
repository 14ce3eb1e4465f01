"""Rows of the chaos suite that are the same on every broker: what they do, and what they must see."""

import os
import signal
import time

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet

Figures = dict[str, float]


def seconds_until_rows(fleet: ChaosFleet, more: int) -> float:
    """Wait until the log has this many more rows, and return the seconds that it took."""
    began, before = time.monotonic(), fleet.logged()
    until(lambda: fleet.logged() >= before + more, seconds=60, what="tasks run", log=fleet.output)
    return time.monotonic() - began


def child_killed(fleet: ChaosFleet, worker: int) -> Figures:
    """Row b: kill a child during a task; only that task starts again, within 5 s, and the worker goes on."""
    [victim] = fleet.publish(1, "chaos.nap", seconds=10.0)
    others = fleet.publish(200, "chaos.nap", seconds=0.01)
    until(lambda: len(fleet.executions(others)) > 20, what="the others run beside it")
    os.kill(fleet.child_running(victim), signal.SIGKILL)
    killed_at = time.time()

    runs = fleet.settle([victim, *others])

    [(started_at,)] = fleet.read("SELECT started_at FROM results WHERE task_id = ?", victim)
    assert 0 < started_at - killed_at < 5
    assert runs == dict.fromkeys([victim, *others], 1)
    assert fleet.workers()[0].pid == worker
    again = sum(runs[id] for id in others) - len(others)
    return {"redelivered_in_s": round(started_at - killed_at, 2), "others_run_again": again}


def terminated_twice(fleet: ChaosFleet, worker: int, ids: list[str]) -> Figures:
    """Row f: send SIGTERM twice during tasks of 2 s; running tasks finish, others wait for a new worker."""
    asked = time.monotonic()
    os.kill(worker, signal.SIGTERM)
    time.sleep(0.5)  # the second signal of an impatient supervisor, while tasks run
    os.kill(worker, signal.SIGTERM)
    status = fleet.wait(worker, 20)
    took = time.monotonic() - asked
    ended = len(fleet.executions(ids))
    assert status == 0
    assert ended >= 2
    return {"ended": ended, "exit_s": round(took, 1)}
