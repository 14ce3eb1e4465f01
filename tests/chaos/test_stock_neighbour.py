"""Row z: a stock worker, beat, Flower and client on the fleet's broker, started before the fleet and after it."""

import contextlib
import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from tests.ports import free_port
from tests.stock.neighbour import Neighbour, stock, troubles

_CALLS = 100


def test_z_neither_notices_the_other(serving: ChaosFleet, tmp_path: Path, figures: Figures) -> None:
    serving.environment["WASMFLEET_SERVE_DEFAULT_QUEUE"] = "false"
    with stock(tmp_path / "stock", serving.url) as neighbour:
        port = free_port()
        neighbour.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
        before = neighbour.start_worker(queues="celery")
        neighbour.start("beat", "--loglevel=INFO", log="beat")
        neighbour.start("flower", f"--port={port}", "--address=127.0.0.1", log="flower")
        until(lambda: before in _asked(port), seconds=60, what="Flower shows it", log=neighbour.output)

        pids = [serving.start_worker(role) for role in ("wasm", "python")]
        after = neighbour.start_worker()
        both = _both_serve(serving, neighbour)
        names = {worker.worker for worker in serving.workers()} | {before, after}
        until(lambda: names <= set(_asked(port)), seconds=60, what="Flower shows all", log=neighbour.output)
        shown = neighbour.command("status").stdout

        os.killpg(pids[0], signal.SIGKILL)
        os.killpg(pids[1], signal.SIGTERM)
        for pid in pids:
            serving.wait(pid, 60)
        alone = [neighbour.client().send_task("stock_app.add", (n, 1)) for n in range(_CALLS)]
        assert [one.get(timeout=60) for one in alone] == list(range(1, _CALLS + 1))
        serving.start_worker("wasm")
        again = _both_serve(serving, neighbour)
        until(lambda: sum("'beat'" in line for line in neighbour.notes()) > 2, log=neighbour.output)

        told = len(neighbour.troubles()), len(troubles(serving.output())), len(serving.quarantine())
        figures(
            "z  stock neighbour",
            theirs=both[0] + len(alone) + again[0],
            ours=both[1] + again[1],
            troubles=sum(told),
        )
        assert {name for name in names if f"{name}: OK" in shown} == names
        assert told == (0, 0, 0), neighbour.troubles() + troubles(serving.output())
        serving.nothing_is_held()


def _both_serve(fleet: ChaosFleet, neighbour: Neighbour) -> tuple[int, int]:
    """Let the stock client call tasks of both, and count what came right."""
    client = neighbour.client()
    theirs = [
        client.send_task("stock_app.add", (n, 1), queue="celery" if n % 2 else "stock") for n in range(_CALLS)
    ]
    ours = [
        client.signature(
            "wasmfleet.text.hash", (str(n),), {"algorithm": "sha256"}, queue="wasmfleet.any"
        ).delay()
        for n in range(_CALLS)
    ]
    right = [one.get(timeout=60) for one in theirs] == list(range(1, _CALLS + 1))
    assert right, neighbour.output()
    assert {len(one.get(timeout=60)) for one in ours} == {64}, fleet.output()
    return len(theirs), len(ours)


def _asked(port: int) -> Any:
    """Ask Flower for the workers that it knows; nothing where it does not listen yet."""
    address = f"http://127.0.0.1:{port}/api/workers?refresh=1"
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)
    return {}


_MIXED = """
import json
from celery import chain
from wasmfleet.workers.app import app
from wasmfleet.workers.calls.catalogue import find
nap = find("chaos.nap").si(seconds=6.0).set(queue="wasmfleet.python")
add = app.signature("stock_app.add", args=(1,), queue="stock")
sent = chain(nap, add).apply_async()
print(json.dumps([sent.parent.id, sent.id]))
"""


def test_a_call_whose_follow_up_of_another_app_cannot_be_sent_runs_again(
    fleet: ChaosFleet, tmp_path: Path, figures: Figures
) -> None:
    with (
        chaos_fleet(tmp_path / "store") as store,
        stock(tmp_path / "stock", fleet.url, store.url) as neighbour,
    ):
        broker = fleet.start("broker")
        until(fleet.answers, what="the broker answers")
        store.start("broker")
        until(store.answers, what="the store of results answers")
        fleet.environment["WASMFLEET_RESULT_URL"] = store.url
        fleet.start_worker("python")
        neighbour.start_worker()
        [first, then] = json.loads(fleet.run(_MIXED))
        until(lambda: first in json.dumps(fleet.active()), what="it runs", log=fleet.output)

        os.kill(broker, signal.SIGKILL)
        fleet.wait(broker, 30)
        until(lambda: f"call {first} goes back" in fleet.output(), what="it goes back", log=fleet.output)
        fleet.start("broker")

        came = neighbour.client().AsyncResult(then).get(timeout=60)
        runs = fleet.executions([first])
        figures("c  follow-up of another app", came=came, executions=runs[first])
        assert came == 7.0
        assert runs[first] > 1
