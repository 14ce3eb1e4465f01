"""A stranger's Celery app whose broker is `wasmfleet+redis://`, in every pool that Celery has."""

import pytest
from celery import chain, chord, group
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import MakeStock, settled

_POOLS = ["prefork", "threads", "gevent", "solo"]
#: Of this package, what the transport is made of. Nothing of it reads a setting, makes an app or knows the sandbox.
_OURS = ("transport", "internals", "untrusted", "counting", "errors", "safe_text", "node", "node.liveness")


@pytest.mark.parametrize("late", [True, False], ids=["late acknowledgement", "early"])
@pytest.mark.parametrize("pool", _POOLS)
def test_an_app_of_plain_celery_runs_on_the_transport_by_its_url_alone(
    make_stock: MakeStock, broker: "Redis", pool: str, late: bool
) -> None:
    app = make_stock(task_acks_late=late)
    worker = app.worker(f"--pool={pool}", "--concurrency=4")
    for number in range(300):
        app.send("work", number)
    app.wait_for(300)
    s = app.client.signature
    chained = chain(s("stock_app.add", (1, 2)), s("stock_app.add", (3,))).delay()
    grouped = group(s("stock_app.add", (n, n)) for n in range(10)).delay()
    chorded = chord([s("stock_app.add", (n, n)) for n in range(10)], s("stock_app.total")).delay()
    results = [one.get(timeout=30) for one in (chained, grouped, chorded)]
    pinged = app.client.control.inspect(timeout=5, limit=1).ping()

    assert results == [6, [2 * n for n in range(10)], 90]
    assert pinged == {"stock0@here": {"ok": "pong"}}
    assert set(app.runs().values()) == {1}
    until(lambda: settled(broker), what="everything is acknowledged")
    imported = app.send("modules").get(timeout=30)
    assert app.stop(worker) == 0
    assert not broker.exists("unacked", "unacked_index")
    assert not broker.keys("unacked_leases*")
    assert {name for name in imported if name.startswith("wasmfleet.")} <= _allowed(imported)
    assert not {"wasmtime", "platformdirs"} & set(imported)


def _allowed(imported: list[str]) -> set[str]:
    ours = tuple(f"wasmfleet.workers.{name}" for name in _OURS)
    inside = {name for name in imported if name.startswith(tuple(f"{one}." for one in ours[:3]))}
    return {"wasmfleet.workers", "wasmfleet.transport", *ours} | inside
