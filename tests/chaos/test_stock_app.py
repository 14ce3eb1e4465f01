"""Rows a, b, c of a stranger's app: it knows nothing of this package but the URL of its broker."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import children
from tests.transport.stock.processes import Stock, stock
from tests.transport.stock.server import Server, server

_TASKS = 4000
_KILLS = 25
_LATE = {"task_acks_late": True, "task_reject_on_worker_lost": True, "task_ignore_result": True}
_EARLY = {"task_ignore_result": True}
MakeApp = Callable[..., Stock]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path / "valkey") as made:
        yield made


@pytest.fixture
def make_app(broker: Server, tmp_path: Path) -> Iterator[MakeApp]:
    with contextlib.ExitStack() as made:

        def make(**options: Any) -> Stock:
            return made.enter_context(stock(tmp_path / "app", f"wasmfleet+{broker.url}", **options))

        yield make


def _publish(app: Stock, count: int, seconds: float) -> None:
    with app.client.producer_or_acquire() as producer:
        for number in range(count):
            app.send("work", number, seconds, producer=producer)


def _settle(app: Stock, broker: Server, count: int) -> dict[str, int]:
    """Wait until nothing waits and nothing is held; count what is missing and what ran twice."""
    seen, moved = -1, time.monotonic()
    while not (broker.client.llen("celery") == broker.client.hlen("unacked") == 0):
        if (now := len(app.marks())) != seen:
            seen, moved = now, time.monotonic()
        assert time.monotonic() - moved < 60, app.output()[-5000:]
        time.sleep(0.1)
    time.sleep(1)  # a child may be at its last task, which is acknowledged already
    runs = app.runs()
    stranded = broker.client.hlen("unacked") + broker.client.llen("celery.deadly")
    lost = count - len(runs) - stranded
    return {"lost": lost, "stranded": stranded, "duplicates": runs.total() - len(runs)}


def _kill_at_random(app: Stock, dice: random.Random, *words: str) -> dict[str, int]:
    """Kill a whole worker, its main process alone, or one of its children, 25 times while tasks run."""
    worker, killed = app.worker(*words), {"workers": 0, "main_processes": 0, "children": 0}
    for _ in range(_KILLS):
        wanted = min(len(app.marks()) + dice.randrange(1, 150), _TASKS)
        until(lambda wanted=wanted: len(app.marks()) >= wanted, seconds=60, log=app.output)
        alive = children(worker.pid)
        what = dice.choice(list(killed))
        if what == "children" and alive:
            os.kill(dice.choice(alive), signal.SIGKILL)
        else:
            what = "main_processes" if what == "children" else what
            if what == "workers":
                app.kill(worker)
            else:
                worker.kill()
                worker.wait()
            worker = app.worker(*words)
        killed[what] += 1
    return killed


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_stock_apps_workers_killed_at_random_lose_nothing(
    make_app: MakeApp, broker: Server, dice: random.Random, figures: Figures, pool: str
) -> None:
    app = make_app(**_LATE)
    _publish(app, _TASKS, 0.001)
    began = time.monotonic()
    killed = _kill_at_random(app, dice, f"--pool={pool}", "--concurrency=2")
    found = _settle(app, broker, _TASKS)

    took = round(time.monotonic() - began, 1)
    figures(f"a  stock app, {pool}: 25 kills, 4,000 tasks", **found, **killed, seconds=took)
    assert (found["lost"], found["stranded"]) == (0, 0)
    assert len(app.runs()) == _TASKS


def test_a_with_early_acknowledgement_only_what_ran_is_lost(
    make_app: MakeApp, broker: Server, dice: random.Random, figures: Figures
) -> None:
    """Celery acknowledges before a task has run, because it was told so; what was not acknowledged comes back."""
    app = make_app(**_EARLY)
    _publish(app, _TASKS, 0.001)
    killed = _kill_at_random(app, dice, "--concurrency=2")
    found = _settle(app, broker, _TASKS)

    figures("a  stock app, early acknowledgement: 25 kills, 4,000 tasks", **found, **killed)
    # What children had been given is acknowledged; Celery writes up to four calls ahead into each child's pipe.
    assert found["lost"] <= _KILLS * 2 * 4
    assert found["stranded"] == 0


def test_b_a_stock_apps_killed_child_costs_only_its_own_task_a_second_run(
    make_app: MakeApp, figures: Figures
) -> None:
    app = make_app(**_LATE)
    worker = app.worker("--concurrency=2")
    app.send("slow", "victim", 3)
    app.wait_for(1, "begun")
    [victim] = app.pids()
    for number in range(200):
        app.send("work", number, 0.01)
    os.kill(int(victim), signal.SIGKILL)
    killed_at = time.monotonic()
    until(lambda: app.marks("begun") == ["victim"] * 2, seconds=60, log=app.output)
    again = round(time.monotonic() - killed_at, 1)
    app.wait_for(201)

    figures("b  stock app: kill of one child", redelivered_in_s=again)
    assert set(app.runs().values()) == {1}
    assert worker.poll() is None


def test_c_countdowns_outlive_workers_and_brokers(
    make_app: MakeApp, broker: Server, dice: random.Random, figures: Figures
) -> None:
    """Kill the worker, the broker, the worker, the broker while 300 calls wait for their time."""
    app, count = make_app(**_LATE), 300
    worker = app.worker("--concurrency=2")
    due = time.time() + 25
    with app.client.producer_or_acquire() as producer:
        for number in range(count):
            app.send("work", number, producer=producer, countdown=due - time.time() + dice.random() * 5)
    until(lambda: broker.client.hlen("unacked") == count, what="they wait in the worker", log=app.output)
    for _ in range(2):
        app.kill(worker)
        worker = app.worker("--concurrency=2")
        broker.kill()
        broker.start()
        until(lambda: broker.client.hlen("unacked") == count, seconds=60, log=app.output)
    early = bool(app.marks()) and time.time() < due
    app.wait_for(count)
    late = time.time() - due - 5
    found = _settle(app, broker, count)

    figures("c  stock app: 300 countdowns, 2 kills of worker and broker", **found, late_s=round(late, 1))
    assert not early
    assert (found["lost"], found["stranded"]) == (0, 0)


def test_c_a_stock_app_goes_on_when_its_broker_was_killed(
    make_app: MakeApp, broker: Server, figures: Figures
) -> None:
    app, count = make_app(**_LATE), 2000
    worker = app.worker("--concurrency=2")
    _publish(app, count, 0.002)
    app.wait_for(300)
    broker.kill()
    broker.start()
    began, before = time.monotonic(), len(app.marks())
    until(lambda: len(app.marks()) > before + 8, seconds=60, log=app.output)
    back = time.monotonic() - began
    app.wait_for(count)
    found = _settle(app, broker, count)

    figures("c  stock app: broker killed and restarted", **found, recovered_in_s=round(back, 1))
    assert (found["lost"], found["stranded"]) == (0, 0)
    assert worker.poll() is None
