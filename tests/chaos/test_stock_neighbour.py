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
from tests.chaos.fleet import ChaosFleet
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
