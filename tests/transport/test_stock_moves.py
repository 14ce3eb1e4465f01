"""Moving an app over from `redis://` and back, with messages in flight; and messages that end their workers."""

import json
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import MakeStock, settled


def test_workers_of_both_transports_share_a_queue(make_stock: MakeStock, port: int, broker: "Redis") -> None:
    ours, theirs = (make_stock(f"{s}://127.0.0.1:{port}/0", task_acks_late=True) for s in _BOTH)
    workers = [ours.worker("--concurrency=1"), theirs.worker("--concurrency=1")]
    for number in range(100):
        (ours if number % 2 else theirs).send("work", number, 0.02)
    until(lambda: len(ours.runs() | theirs.runs()) == 100, seconds=60)
    until(lambda: settled(broker), what="everything is acknowledged")

    assert set((ours.runs() + theirs.runs()).values()) == {1}
    assert ours.runs()
    assert theirs.runs()
    assert [app.stop(worker) for app, worker in zip((ours, theirs), workers, strict=True)] == [0, 0]


_BOTH = ("wasmfleet+redis", "redis")


@pytest.mark.parametrize("there", [True, False], ids=["over", "back"])
def test_an_app_moves_with_what_waits_and_what_is_to_run_later(
    make_stock: MakeStock, port: int, broker: "Redis", there: bool
) -> None:
    new, old = (make_stock(f"{s}://127.0.0.1:{port}/0", task_acks_late=True) for s in _BOTH)
    if not there:
        new, old = old, new
    worker = old.worker("--concurrency=1")
    old.send("slow", "running", 2)
    old.wait_for(1, "begun")
    for number in range(20):
        old.send("work", number, priority=number % 10)
        old.send("work", f"later{number}", countdown=8)
    assert old.stop(worker) == 0
    new.worker("--concurrency=2")
    new.wait_for(40)

    assert old.marks() == ["running"]
    assert set(new.runs().values()) == {1}
    until(lambda: settled(broker), what="everything is acknowledged")


def test_what_a_killed_worker_held_comes_back_after_the_move_back(
    make_stock: MakeStock, port: int, broker: "Redis"
) -> None:
    """Kombu goes by the age of what is held, as always; the bookings are in its form."""
    options = {"visibility_timeout": 4, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    urls = [f"{scheme}://127.0.0.1:{port}/0" for scheme in _BOTH]
    ours, theirs = (make_stock(url, task_acks_late=True, broker_transport_options=options) for url in urls)
    worker = ours.worker("--concurrency=1")
    ours.send("slow", "held", 600)
    ours.wait_for(1, "begun")
    ours.kill(worker)
    theirs.worker("--concurrency=1")

    theirs.wait_for(1, "begun")


def test_a_message_that_ends_its_workers_is_kept_in_a_queue_of_its_own(
    make_stock: MakeStock, broker: "Redis"
) -> None:
    options = {"max_deaths": 4}
    app = make_stock(task_acks_late=True, broker_transport_options=options)
    sent = app.send("end_worker", False, priority=5)
    for number in range(6):
        app.send("work", number, priority=9)
    starts = 0
    while not broker.llen("celery.deadly"):
        worker = app.worker("--pool=threads", "--concurrency=2", ready=False)
        starts += 1
        until(
            lambda worker=worker: worker.poll() is not None or broker.llen("celery.deadly"),
            seconds=60,
            log=app.output,
        )
        assert starts < 8
    app.wait_for(6)

    assert app.marks("begun") == ["end_worker"] * 4
    kept: Any = broker.lindex("celery.deadly", 0)
    assert json.loads(kept)["headers"]["id"] == sent.id
    assert f"stock_app.end_worker[{sent.id}] ended 4 workers that held it" in app.output()
    print(f"set aside after {len(app.marks('begun'))} runs")
    # As docs/transport.md says, it is sent again by moving it; the count begins anew.
    broker.rpoplpush("celery.deadly", "celery")
    until(lambda: len(app.marks("begun")) == 5, what="it runs again")


def test_what_is_no_message_of_celerys_is_deleted_with_a_line_in_the_log(
    make_stock: MakeStock, broker: "Redis"
) -> None:
    """As with kombu's own transport a stock worker deletes what it cannot read; but it goes on."""
    app = make_stock(task_acks_late=True)
    app.worker("--concurrency=1")
    for raw in (b"no json", b"{}", json.dumps({"body": "x", "properties": {}, "headers": {}}).encode()):
        broker.lpush("celery", raw)
    app.send("work", 1)
    app.wait_for(1)

    until(lambda: settled(broker), what="nothing is left")
    told = ("Can't decode message body", "Received and deleted unknown message")
    assert [app.output().count(line) for line in told] == [2, 1]
