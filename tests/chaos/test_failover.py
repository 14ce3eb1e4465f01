"""Row u: the master becomes a replica and keeps its sockets open; or a store answers, and takes nothing."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from tests.chaos.pair import Pair, pair
from wasmfleet.workers.fleet_state.heartbeats import present

#: A client that publishes calls for some seconds and waits for all of their results.
_CLIENT = """
import json, sys, time
from celery.result import ResultSet
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.errors import BrokerUnavailable
seconds, = json.load(sys.stdin)
nap, sent, refused = find("chaos.nap"), [], 0
until = time.monotonic() + seconds
while time.monotonic() < until:
    try:
        sent.append(nap.apply_async(kwargs={"seconds": 0.002}, lane="python"))
    except BrokerUnavailable:
        refused += 1
    time.sleep(0.01)
arrived = sum(len(one.get(timeout=60) is not None and "x") for one in sent)
print(json.dumps([[one.id for one in sent], refused, arrived]))
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path / "servers") as made:
        yield made


@pytest.fixture
def moving(servers: Pair, tmp_path: Path) -> Iterator[ChaosFleet]:
    """A fleet whose broker, results and state are at the two servers' address."""
    with chaos_fleet(tmp_path / "fleet", CONCURRENCY="2") as made:
        made.url = servers.url
        made.environment["WASMFLEET_BROKER_URL"] = f"wasmfleet+{servers.url}"
        yield made


@pytest.mark.parametrize("away_s", [0, 4], ids=["at once", "after 4 s without a master"])
def test_u_every_connection_leaves_a_demoted_master(
    moving: ChaosFleet, servers: Pair, figures: Figures, away_s: float
) -> None:
    moving.start_worker("python")
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(moving.run, _CLIENT, [12 + away_s])
        until(lambda: moving.logged() > 100, what="calls run", log=moving.output)
        servers.fail_over(away_s=away_s)
        switched, switched_at, logged = time.monotonic(), time.time(), moving.logged()
        new = servers.at(servers.new)
        seconds = {
            "heartbeats": _seconds_until(switched, lambda: _beats_since(servers.new, switched_at)),
            "rows": _seconds_until(switched, lambda: moving.logged() > logged + 20),
            "leases": _seconds_until(switched, lambda: new.zcard("unacked_holders")),
            "results": _seconds_until(switched, lambda: _results(new, moving)),
        }
        ids, refused, arrived = json.loads(told.result(120))

    runs = moving.settle(ids)
    until(lambda: not servers.in_use(), what="nobody uses the demoted server", log=moving.output)
    moving.nothing_is_held()
    figures(
        f"u  failover, {away_s} s without a master",
        published=len(ids),
        results=arrived,
        **moving.tally(ids, runs),
        executions=sum(runs.values()),
        refused_with_an_error=refused,
        **{f"{name}_s": round(took, 1) for name, took in seconds.items()},
    )
    assert runs.keys() == set(ids)
    assert arrived == len(ids)
    assert sum(runs.values()) - len(runs) <= 40  # what two children had taken, a few times
    assert max(seconds.values()) < 10


def _seconds_until(since: float, condition: Callable[[], object]) -> float:
    until(condition, seconds=30, what="it goes on at the new master")
    return time.monotonic() - since


def _beats_since(port: int, unix_s: float) -> bool:
    with Redis(port=port) as client:
        return any(beat.sent_at > unix_s for beat in present(client))


def _results(new: "Redis", fleet: ChaosFleet) -> bool:
    """Whether the newest logged call has its result at the new master."""
    [(id,)] = fleet.read("SELECT task_id FROM results ORDER BY finished_at DESC LIMIT 1")
    return bool(new.exists(f"celery-task-meta-{id}"))


def _demoted(server: "Redis") -> Callable[[], object]:
    server.replicaof("127.0.0.1", 9)
    return lambda: server.replicaof("NO", "ONE")


def _without_replicas(server: "Redis") -> Callable[[], object]:
    server.config_set("min-replicas-to-write", 5)
    return lambda: server.config_set("min-replicas-to-write", 0)


def _full(server: "Redis") -> Callable[[], object]:
    server.config_set("maxmemory", 1)
    return lambda: server.config_set("maxmemory", 0)


def _refusing_results_only(server: "Redis") -> Callable[[], object]:
    """Forbid the keys of results alone, so that whoever tries something else finds everything in order."""
    server.execute_command("ACL", "SETUSER", "default", "resetkeys", "~wasmfleet:*")
    return lambda: server.execute_command("ACL", "SETUSER", "default", "allkeys")


def _frozen(server: "Redis") -> Callable[[], object]:
    server.client_pause(60_000, all=True)
    return lambda: server.client_unpause()


@pytest.mark.parametrize(
    "refuse", [_demoted, _without_replicas, _full, _refusing_results_only, _frozen], ids=lambda f: f.__name__
)
def test_u_no_call_runs_hot_while_its_result_is_refused(
    serving: ChaosFleet, servers: Pair, figures: Figures, refuse: Callable[["Redis"], Callable[[], object]]
) -> None:
    serving.environment |= {"WASMFLEET_RESULT_URL": servers.url, "WASMFLEET_CONCURRENCY": "2"}
    ids = serving.publish(50, "chaos.nap")
    server = Redis(port=servers.old)
    allow = refuse(server)
    serving.start_worker("python")
    until(lambda: serving.executions(ids), what="some have run", log=serving.output)
    counts = []
    for _ in range(4):
        time.sleep(5)
        counts.append(sum(serving.executions(ids).values()))

    allow()
    allowed = time.monotonic()
    until(lambda: len(_stored(server, ids)) == 50, what="all results", log=serving.output, seconds=60)
    took_s = time.monotonic() - allowed

    runs = serving.executions(ids)
    figures(
        f"u  results refused for 20 s: {refuse.__name__.strip('_')}",
        executions_each_5_s=counts,
        executions=sum(runs.values()),
        recovery_s=round(took_s, 1),
    )
    assert counts[-1] - counts[1] <= 25  # in ten seconds; 550 without a brake
    assert runs.keys() == set(ids)
    assert took_s < 20
    serving.nothing_is_held()


def _stored(server: "Redis", ids: list[str]) -> list[str]:
    return [id for id in ids if server.exists(f"celery-task-meta-{id}")]
