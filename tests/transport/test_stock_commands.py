"""What the people who run a stock app use beside its workers: Celery's commands, beat, Flower, and remote control."""

import json
import urllib.request

from redis import Redis

from tests import lifeline
from tests.acceptance.installation import until
from tests.ports import free_port
from tests.transport.conftest import MakeStock, settled


def test_celerys_commands_see_and_order_its_workers(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True)
    worker = app.worker("--concurrency=1")
    app.send("slow", "now", 30)
    app.wait_for(1, "begun")
    revoked = app.send("work", "never")
    app.send("work", "later", countdown=600)

    status = app.command("status")
    active = json.loads(app.command("inspect", "active", "--json").stdout)
    scheduled = json.loads(app.command("inspect", "scheduled", "--json").stdout)
    report = app.command("report").stdout
    app.command("control", "revoke", revoked.id)
    app.command("control", "pool_grow", "1")
    app.send("work", "beside")
    app.wait_for(1)
    purged = app.command("purge", "--force")

    assert "1 node online" in status.stdout
    assert [task["args"] for task in active["stock0@here"]] == [["now", 30]]
    assert [task["request"]["args"] for task in scheduled["stock0@here"]] == [["later"]]
    assert "wasmfleet+redis://127.0.0.1" in report
    assert app.marks() == ["beside"]
    assert purged.returncode == 0
    app.client.control.shutdown()
    assert worker.wait(60) == 0
    assert app.marks() == ["beside", "now"]
    assert broker.llen("celery") == 1  # what is to run later went back


def test_beat_sends_what_is_due(make_stock: MakeStock, broker: "Redis") -> None:
    schedule = {"each": {"task": "stock_app.work", "schedule": 1.0, "args": ["tick"]}}
    app = make_stock(task_acks_late=True, beat_schedule=schedule)
    app.worker("--concurrency=1")
    app.start("beat", "--loglevel=INFO", "--schedule=due")

    until(lambda: app.runs()["tick"] >= 3, what="three calls of beat's ran", log=app.output)


def test_flower_shows_the_workers_and_the_queue(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True)
    app.worker("--concurrency=1", "--prefetch-multiplier=1")
    app.send("slow", "now", 600)
    app.wait_for(1, "begun")
    for number in range(7):
        app.send("work", number)
    port = free_port()
    app.environment |= {"FLOWER_UNAUTHENTICATED_API": "1"}
    app.start("flower", f"--port={port}", "--address=127.0.0.1")

    def got(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
                return str(page.read().decode())
        except OSError:
            return ""

    until(lambda: "stock0@here" in got("/workers?json=1"), seconds=60, what="the worker", log=app.output)
    until(lambda: "celery" in got("/api/queues/length"), what="the queues", log=app.output)
    lengths = {one["name"]: one["messages"] for one in json.loads(got("/api/queues/length"))["active_queues"]}

    assert lengths == {"celery": 7}
    assert f"wasmfleet+redis://127.0.0.1:{broker.connection_pool.connection_kwargs['port']}/0" in got(
        "/broker"
    )


def test_a_worker_is_given_its_broker_on_the_command_line(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock()
    app.environment |= {"STOCK_BROKER": "redis://127.0.0.1:1/0"}
    words = ["-b", app.broker, "worker", "--loglevel=INFO", "--concurrency=1"]
    process = lifeline.start(app.celery(*words), env=app.environment, cwd=app.folder)
    try:
        app.send("work", 1)
        app.wait_for(1)
        until(lambda: settled(broker), what="it is acknowledged")
    finally:
        lifeline.end(process)


def test_nobody_is_shown_the_brokers_password(make_stock: MakeStock, port: int, broker: "Redis") -> None:
    broker.acl_setuser(
        "stock", enabled=True, passwords=["+s@cret/1"], keys=["*"], channels=["*"], categories=["+@all"]
    )
    app = make_stock(f"wasmfleet+redis://stock:s%40cret%2F1@127.0.0.1:{port}/0", task_acks_late=True)
    app.worker("--concurrency=1")
    app.send("work", 1)
    app.wait_for(1)
    told = [app.command("inspect", "stats", "--json").stdout, app.command("report").stdout, app.output()]

    assert (
        json.loads(told[0])["stock0@here"]["broker"]["hostname"]
        == f"wasmfleet+redis://stock@127.0.0.1:{port}/0"
    )
    assert [word for word in ("s@cret", "s%40cret") for text in told if word in text] == []
