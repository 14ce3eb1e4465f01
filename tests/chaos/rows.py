"""Rows that are the same on every broker: what is done, and what must be seen."""

import os
import signal
import time

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet

Figures = dict[str, float]


def seconds_until_rows(fleet: ChaosFleet, more: int) -> float:
    """Seconds until so many rows more are in the log."""
    began, before = time.monotonic(), fleet.logged()
    until(lambda: fleet.logged() >= before + more, seconds=60, what="tasks run", log=fleet.output)
    return time.monotonic() - began


def child_killed(fleet: ChaosFleet, worker: int) -> Figures:
    """Row b: a killed child costs only its own task a second run, in under 5 s; the worker goes on."""
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
    """Row f: SIGTERM during tasks of 2 s, and again: what runs ends, the rest waits for the next worker."""
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
