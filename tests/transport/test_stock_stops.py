"""How workers of a stock app stop, and what becomes of the messages that they hold."""

import os
import signal
from collections.abc import Callable

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import MakeStock, settled
from tests.transport.stock.processes import Stock

_POOLS = ["prefork", "threads", "gevent", "solo"]


@pytest.mark.parametrize("pool", _POOLS)
def test_a_worker_that_stops_ends_what_it_does_and_gives_the_rest_back(
    make_stock: MakeStock, broker: "Redis", pool: str
) -> None:
    app = make_stock(task_acks_late=True)
    worker = app.worker(f"--pool={pool}", "--concurrency=2")
    for number in range(20):
        app.send("slow", number, 1.5)
    app.wait_for(1, "begun")
    assert app.stop(worker) == 0
    begun, waiting = set(app.marks("begun")), broker.llen("celery")

    assert set(app.marks()) == begun
    assert (waiting, broker.hlen("unacked")) == (20 - len(begun), 0)
    until(lambda: not broker.keys("unacked*"), what="no key is left of those that held messages")


def test_a_solo_worker_stops_after_the_task_that_it_runs(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True)
    for number in range(4):
        app.send("slow", number, 2)
    worker = app.worker("--pool=solo", ready=False)
    app.wait_for(2, "begun")
    app.stop(worker)

    assert app.marks() == ["0", "1"]
    assert broker.llen("celery") == 2


def _cold(app: Stock, pid: int) -> None:
    os.kill(pid, signal.SIGQUIT)


def _twice(app: Stock, pid: int) -> None:
    os.kill(pid, signal.SIGINT)
    until(lambda: "Warm shutdown" in app.output())
    os.kill(pid, signal.SIGINT)


@pytest.mark.parametrize("pool", ["prefork", "threads"])  # in `solo` Celery itself fails the call
@pytest.mark.parametrize("how", [_cold, _twice])
def test_what_a_cold_shutdown_cuts_off_runs_again_at_once(
    make_stock: MakeStock, broker: "Redis", pool: str, how: Callable[[Stock, int], None]
) -> None:
    app = make_stock(task_acks_late=True)
    worker = app.worker(f"--pool={pool}", "--concurrency=1")
    app.send("slow", "cut", 600 if pool == "prefork" else 5)
    app.wait_for(1, "begun")
    how(app, worker.pid)
    worker.wait(60)
    again = app.worker("--concurrency=1")

    if "cut" not in app.marks():  # a thread cannot be cut off
        until(lambda: app.marks("begun") == ["cut", "cut"], seconds=5, what="it runs again")
    app.kill(again)


def test_a_soft_shutdown_leaves_time_and_then_gives_back(make_stock: MakeStock, broker: "Redis") -> None:
    options = {"worker_soft_shutdown_timeout": 3, "worker_enable_soft_shutdown_on_idle": True}
    app = make_stock(task_acks_late=True, **options)
    worker = app.worker("--concurrency=2")
    app.send("slow", "short", 1)
    app.send("slow", "long", 600)
    app.send("work", "later", countdown=600)
    app.wait_for(2, "begun")
    app.stop(worker, signal.SIGQUIT)

    assert app.marks() == ["short"]
    assert broker.llen("celery") == 2
    until(lambda: not broker.keys("unacked*"), what="no key is left of those that held messages")


@pytest.mark.parametrize("rejects", [True, False])
def test_a_killed_childs_call_runs_again_only_where_celery_is_told_so(
    make_stock: MakeStock, broker: "Redis", rejects: bool
) -> None:
    app = make_stock(task_acks_late=True, task_reject_on_worker_lost=rejects, worker_lost_wait=1.0)
    worker = app.worker("--concurrency=1")
    app.send("end_worker", False)
    if rejects:
        until(lambda: app.marks("begun") == ["end_worker"] * 2, seconds=60, log=app.output)
    else:
        until(lambda: "WorkerLostError" in app.output(), seconds=60)
        until(lambda: settled(broker), what="it is acknowledged")
    app.send("purge")
    assert worker.poll() is None


def test_a_call_that_fails_is_acknowledged_unless_celery_is_told_otherwise(
    make_stock: MakeStock, broker: "Redis"
) -> None:
    app = make_stock(task_acks_late=True, task_acks_on_failure_or_timeout=False)
    app.worker("--concurrency=1")
    app.send("fail", 1)
    until(lambda: "ValueError" in app.output(), what="it failed", log=app.output)
    app.send("work", 1)
    app.wait_for(1)

    until(lambda: settled(broker), what="nothing is left: Celery rejects without requeue")
