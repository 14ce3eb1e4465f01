"""Celery's options, and those of kombu's Redis transport, mean on our transport what they mean on kombu's."""

import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import MakeStock, settled


def test_a_pool_grows_and_shrinks_and_children_are_replaced(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True, worker_max_tasks_per_child=20)
    app.worker("--autoscale=4,1")

    for number in range(200):
        app.send("work", number, 0.01)
    app.wait_for(200)

    assert set(app.runs().values()) == {1}
    assert len(app.pids()) > 200 / 20 / 2  # replaced after 20 tasks each
    until(lambda: settled(broker), what="everything is acknowledged")


@pytest.mark.parametrize("multiplier", [0, 1, 4])
def test_a_worker_takes_as_many_messages_as_its_prefetch_says(
    make_stock: MakeStock, broker: "Redis", multiplier: int
) -> None:
    app = make_stock(task_acks_late=True, worker_prefetch_multiplier=multiplier)
    app.worker("--concurrency=2")
    for number in range(30):
        app.send("slow", number, 60)
    most = 2 * multiplier or 30
    app.wait_for(2, "begun")

    # A fetch waits until a quarter of the window is free.
    until(lambda: broker.hlen("unacked") > most * 3 / 4, what=f"about {most} are taken")
    time.sleep(1)  # for more, which must not come
    assert broker.hlen("unacked") <= most


def test_without_prefetch_a_worker_takes_what_it_can_begin(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True, worker_disable_prefetch=True)
    app.worker("--concurrency=2")
    for number in range(10):
        app.send("slow", number, 2)
    app.wait_for(2, "begun")
    held = []
    until(lambda: held.append(broker.hlen("unacked")) or len(app.runs()) == 10, seconds=60)

    assert max(held) == 2


def test_urgent_messages_come_first(make_stock: MakeStock) -> None:
    app = make_stock(broker_transport_options={"priority_steps": [0, 2, 4, 6, 8]})
    for priority in (8, 0, 4, 6, 2, 0, 8):
        app.send("work", priority, priority=priority)
    app.worker("--pool=solo", "--prefetch-multiplier=1")
    app.wait_for(5)
    until(lambda: len(app.marks()) == 7)

    assert app.marks() == ["0", "0", "2", "4", "6", "8", "8"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("priority", ["b"] * 10 + ["a"] * 10),
        ("sorted", ["a"] * 10 + ["b"] * 10),
        ("round_robin", ["b", "a"] * 10),
    ],
)
def test_queues_are_asked_in_the_order_that_was_chosen(
    make_stock: MakeStock, strategy: str, expected: list[str]
) -> None:
    app = make_stock(broker_transport_options={"queue_order_strategy": strategy})
    for number in range(20):
        queue = "ab"[number % 2]
        app.send("work", f"{queue}{number}", queue=queue)
    app.worker("--pool=solo", "--queues=b,a")
    app.wait_for(20)

    order = [word[0] for word in app.marks()]
    if strategy == "round_robin":
        assert sorted(order[:10]) == ["a"] * 5 + ["b"] * 5
    else:
        assert order == expected


@pytest.mark.parametrize(
    "options",
    [
        {"global_keyprefix": "shop:"},
        {"sep": ":"},
        {"fanout_prefix": False, "fanout_patterns": False},
        {"unacked_key": "mine", "unacked_index_key": "mine_index"},
        {"ack_emulation": False},
        {"max_connections": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_kombus_options_are_obeyed(make_stock: MakeStock, broker: "Redis", options: dict[str, Any]) -> None:
    app = make_stock(task_acks_late=True, broker_transport_options=options)
    worker = app.worker("--concurrency=2")
    for number in range(50):
        app.send("work", number, priority=number % 10)
    app.wait_for(50)
    pinged = app.client.control.inspect(timeout=5, limit=1).ping()
    app.send("slow", "held", 60)
    app.wait_for(1, "begun")
    prefix, unacked = options.get("global_keyprefix", ""), options.get("unacked_key", "unacked")

    assert pinged == {"stock0@here": {"ok": "pong"}}
    assert broker.hlen(prefix + unacked) == 1
    app.kill(worker)
    app.worker("--concurrency=1")
    until(lambda: app.marks("begun").count("held") == 2, what="what the killed worker held runs again")
    if prefix:
        assert all(key.startswith(b"shop:") for key in broker.scan_iter())


def test_apps_on_one_database_keep_to_their_queues(make_stock: MakeStock) -> None:
    one = make_stock(task_acks_late=True, task_default_queue="one")
    two = make_stock(task_acks_late=True, task_default_queue="two")
    doomed = one.worker("--concurrency=1")
    one.send("slow", "first", 3)
    one.wait_for(1, "begun")
    two.worker("--concurrency=2")
    one.kill(doomed)  # its message is handed on by the other app's worker, into its own queue
    for number in range(50):
        one.send("work", number)
        two.send("work", number)
    two.wait_for(50)
    assert one.runs().total() == 0
    one.worker("--concurrency=2")
    one.wait_for(51)

    assert set(one.runs().values()) == set(two.runs().values()) == {1}


def test_an_app_that_uses_pickle_goes_on_using_it(make_stock: MakeStock) -> None:
    options = {"task_serializer": "pickle", "accept_content": ["pickle", "json"], "task_compression": "gzip"}
    app = make_stock(**options, result_serializer="pickle")
    app.worker("--concurrency=1")

    assert app.send("size_of", b"\x00\xff" * 500_000).get(timeout=30) == 1_000_000
    assert app.send("total", {1, 2, 3}).get(timeout=30) == 6


def test_results_may_travel_by_the_transport_too(make_stock: MakeStock) -> None:
    app = make_stock(result_backend="rpc://")
    app.worker("--concurrency=2")

    results = [app.send("add", number, 1) for number in range(20)]
    assert [result.get(timeout=30) for result in results] == list(range(1, 21))


def test_a_broadcast_reaches_each_worker_compressed_or_large(make_stock: MakeStock) -> None:
    app = make_stock()
    app.environment |= {"STOCK_BROADCAST": "all"}
    workers = [app.worker("--pool=solo"), app.worker("--pool=solo")]
    exchange = Exchange(
        "all", type="fanout"
    )  # on every virtual transport of kombu its sender has to declare it
    sent: dict[str, Any] = {"exchange": exchange, "declare": [exchange], "routing_key": "celery"}
    app.send("work", "small", compression="gzip", **sent)
    app.send("work", "large", headers={"weight": "x" * (2 << 20)}, **sent)

    until(lambda: len(app.marks()) == 4, what="both workers ran both", log=app.output)
    assert app.pids() == {str(worker.pid) for worker in workers}


def test_large_messages_run_side_by_side(make_stock: MakeStock, broker: "Redis") -> None:
    """Nothing limits what a stock worker holds but its prefetch: four messages of 20 MiB run at once."""
    app = make_stock(task_acks_late=True, worker_prefetch_multiplier=1)
    app.worker("--concurrency=4")
    for number in range(4):
        app.client.send_task("stock_app.slow", (number, 5), {}, headers={"weight": "x" * (20 << 20)})
    app.wait_for(4, "begun")

    assert not app.runs()


def test_many_calls_that_wait_for_their_time_keep_no_other_out(
    make_stock: MakeStock, broker: "Redis"
) -> None:
    app = make_stock(task_acks_late=True)
    app.worker("--concurrency=2")
    with app.client.producer_or_acquire() as producer:
        for _ in range(60):
            app.send("size_of", "x" * (1 << 20), countdown=600, producer=producer)
    until(lambda: broker.hlen("unacked") >= 60, what="they are taken")

    assert app.send("add", 1, 1).get(timeout=30) == 2


def test_a_socket_of_the_machine_serves_as_well(
    make_stock: MakeStock, socket_broker: tuple[Path, "Redis"]
) -> None:
    path, broker = socket_broker
    app = make_stock(f"wasmfleet+socket://{path}?virtual_host=2", task_ignore_result=True)
    app.worker("--concurrency=1")
    app.send("work", 1)
    app.wait_for(1)
    shown = app.client.connection().as_uri(include_password=True)

    assert shown.startswith("redis+socket:///")  # as Flower knows it
    assert set(broker.info("keyspace")) == {"db2"}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("wasmfleet+sentinel://127.0.0.1:26379/0", "it takes wasmfleet\\+redis://"),
        ("wasmfleet+redis://one:1;wasmfleet+redis://two:1", "takes one URL"),
    ],
)
def test_an_address_that_the_transport_does_not_know_is_refused_with_the_reason(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Connection(url).channel()


def test_a_limit_of_a_queue_is_none_unless_it_is_set(make_stock: MakeStock, broker: "Redis") -> None:
    from wasmfleet.workers.errors import FleetBusy

    free = make_stock()
    for number in range(300):
        free.send("work", number)
    limited = make_stock(broker_transport_options={"queue_limit": 300, "limited_queues": ["celery"]})

    with pytest.raises(FleetBusy, match="300 messages wait in celery already; nothing was queued"):
        limited.send("work", 300)
    assert broker.llen("celery") == 300


def test_an_order_to_limit_a_rate_is_obeyed(make_stock: MakeStock, broker: "Redis") -> None:
    app = make_stock(task_acks_late=True)
    app.worker("--concurrency=2")
    control = app.client.control
    control.rate_limit("stock_app.limited", "2/s")
    began = time.monotonic()
    for number in range(8):
        app.send("limited", number)
    app.wait_for(8)
    lasted = time.monotonic() - began

    print(f"8 calls at 2/s took {lasted:.1f} s")
    assert lasted > 2
    until(lambda: settled(broker), what="everything is acknowledged")


def test_kombu_without_celery_needs_one_import() -> None:
    """Messages of programs that use kombu alone: the import is the line that registers the transport there."""
    import wasmfleet.transport  # noqa: F401

    assert Connection("wasmfleet+redis://127.0.0.1/0").transport_cls
    assert Queue("q").name == "q"
