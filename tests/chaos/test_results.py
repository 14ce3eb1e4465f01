"""Results while their store comes and goes: none is lost, waiting clients get theirs, nothing loops."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet


@pytest.fixture
def fleet(serving: ChaosFleet) -> ChaosFleet:
    return serving


def test_who_begins_to_wait_while_the_broker_is_away_gets_the_result(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    waiting = (
        "import time\n"
        "from redis import Redis, RedisError\n"
        "from wasmfleet.workers.calls.catalogue import find\n"
        "batch = find('chaos.nap').many([{'seconds': 0.0}], lane='python')\n"
        "try:\n"
        f"    while Redis.from_url({fleet.url!r}).ping(): time.sleep(0.05)\n"
        "except RedisError:\n"
        "    [item] = batch.results(timeout=60)\n"
        "    print(item.error)"
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fleet.run, waiting)
        until(fleet.logged, what="the call has run", log=fleet.output)
        _restart_broker(fleet, away_s=3)

        assert answer.result(60).strip() == "None"


def _restart_broker(fleet: ChaosFleet, away_s: float) -> None:
    os.kill(json.loads((fleet.data / "broker.json").read_bytes())["pid"], signal.SIGKILL)
    time.sleep(away_s)  # longer than Celery's consumer of results tries to reconnect
    fleet.start("broker")


@pytest.mark.parametrize(
    ("runs_s", "away_s"),
    [(6, 3), (6, 15)],
    ids=["the broker is back before the result", "the result waits for the broker"],
)
def test_who_waits_for_a_result_outlives_the_broker(fleet: ChaosFleet, runs_s: int, away_s: int) -> None:
    fleet.start_worker("python")
    waiting = (
        "from wasmfleet.workers.calls.catalogue import find\n"
        f"[item] = find('chaos.nap').many([{{'seconds': {runs_s}}}], lane='python').results(timeout=60)\n"
        "print(item.error)"
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fleet.run, waiting)
        until(fleet.active, what="the call runs", log=fleet.output)
        _restart_broker(fleet, away_s)

        assert answer.result(60).strip() == "None"
    fleet.stop_worker()


@contextlib.contextmanager
def _refusing_store(fleet: ChaosFleet, folder: Path) -> Iterator[tuple[ChaosFleet, "Redis"]]:
    """Start a worker whose result store answers, but refuses results until `min-replicas-to-write` is 0."""
    with chaos_fleet(folder) as store, Redis.from_url(store.admin_url) as server:
        store.start("broker")
        until(store.answers, what="the store answers")
        server.config_set("min-replicas-to-write", 1)
        fleet.environment["WASMFLEET_RESULT_URL"] = store.url
        fleet.start_worker("python")
        yield store, server


def test_a_store_that_refuses_results_makes_no_storm(fleet: ChaosFleet, tmp_path: Path) -> None:
    with _refusing_store(fleet, tmp_path / "store") as (store, server):
        [id] = fleet.publish(1, "chaos.nap")
        before = until(lambda: fleet.executions([id]).get(id, 0), log=fleet.output)

        time.sleep(5)

        assert fleet.executions([id])[id] - before <= 5  # runs that were already on their way
        server.config_set("min-replicas-to-write", 0)
        until(lambda: store.answered([id]), what="the result", log=fleet.output)
        fleet.nothing_is_held()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("maxmemory", "6mb"),  # small values still fit, this one does not
        ("proto-max-bulk-len", "1mb"),  # the server closes the connection
    ],
)
def test_a_result_that_its_store_never_takes_is_an_error_after_five_runs(
    fleet: ChaosFleet, tmp_path: Path, setting: str, value: str
) -> None:
    with _refusing_store(fleet, tmp_path / "store") as (store, server):
        server.config_set(setting, value)
        server.config_set("min-replicas-to-write", 0)
        [id] = fleet.publish(1, "chaos.letters", size=4_000_000)
        until(lambda: store.answered([id]), what="the answer", log=fleet.output, seconds=60)

        answer = json.loads(server.get(f"celery-task-meta-{id}"))
        assert answer["result"]["code"] == "OutputTooLarge"
        assert "4,000," in answer["result"]["message"]
        assert fleet.executions([id]) == {id: 5}
        assert fleet.settle(fleet.publish(1, "chaos.nap")), "others are served"
        fleet.nothing_is_held()


def test_a_call_that_is_set_aside_is_answered_once_the_store_is_back(
    fleet: ChaosFleet, tmp_path: Path
) -> None:
    with _refusing_store(fleet, tmp_path / "store") as (store, server):
        [id] = fleet.publish(1, "chaos.crash")
        until(fleet.set_aside, what="it is set aside", log=fleet.output)
        assert not store.answered([id])

        server.config_set("min-replicas-to-write", 0)

        until(lambda: store.answered([id]), what="the answer", log=fleet.output)
        fleet.nothing_is_held()
        assert [row["error_code"] for row in fleet.rows(id)] == ["Quarantined"]
