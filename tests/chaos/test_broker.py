"""Rows c, d, e: the broker is killed, the network swallows everything, the broker freezes."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from tests.acceptance.installation import until
from tests.chaos import rows
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, children
from tests.chaos.proxy import Proxy
from tests.needs import need

_PUBLISH_FOR = """
import json, sys, time
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.errors import BrokerUnavailable
seconds, name, arguments = json.load(sys.stdin)
operation, ids, refused, longest = find(name), [], 0, 0.0
deadline = time.monotonic() + seconds
while time.monotonic() < deadline:
    began = time.monotonic()
    try:
        ids.append(operation.apply_async(kwargs=arguments, lane="python").id)
    except BrokerUnavailable:
        refused += 1
    longest = max(longest, time.monotonic() - began)
    time.sleep(0.005)
print(json.dumps([ids, refused, longest]))
"""


class Publisher(threading.Thread):
    """A thread that publishes naps for some seconds, and goes on when the broker refuses one."""

    def __init__(self, fleet: ChaosFleet, seconds: float) -> None:
        super().__init__()
        self._fleet, self._seconds = fleet, seconds
        self.ids: list[str] = []
        self.refused = 0
        self.longest_s = 0.0

    def run(self) -> None:
        said = self._fleet.run(_PUBLISH_FOR, [self._seconds, "chaos.nap", {"seconds": 0.002}])
        self.ids, self.refused, self.longest_s = json.loads(said)


@contextmanager
def publishing(fleet: ChaosFleet, seconds: float) -> Iterator[Publisher]:
    publisher = Publisher(fleet, seconds)
    publisher.start()
    yield publisher
    publisher.join()


def test_c_a_killed_broker_loses_nothing_and_everybody_finds_it_again(
    fleet: ChaosFleet, figures: Figures
) -> None:
    broker = fleet.start("broker")
    worker = fleet.start_worker("python")
    recoveries = []
    with publishing(fleet, 15) as publisher:
        rows.seconds_until_rows(fleet, 50)
        for _ in range(2):
            os.kill(broker, signal.SIGKILL)
            fleet.wait(broker, 5)
            broker = fleet.start("broker")
            recoveries.append(rows.seconds_until_rows(fleet, 1))

    runs = fleet.settle(publisher.ids)
    fleet.nothing_is_held()
    figures(
        "c  broker killed twice while tasks are published",
        published=len(publisher.ids),
        **fleet.tally(publisher.ids, runs),
        recovery_s=round(max(recoveries), 1),
        refused_with_an_error=publisher.refused,
    )
    assert runs.keys() == set(publisher.ids)
    assert max(recoveries) < 10
    assert fleet.workers()[0].pid == worker


def test_c_a_message_is_on_the_disk_before_its_publisher_hears_so(
    fleet: ChaosFleet, figures: Figures
) -> None:
    [strace] = need("strace")
    broker = fleet.start("broker")
    fleet.start_worker("python")
    fleet.settle(fleet.publish(1, "chaos.nap"))  # from here on the broker knows the Lua scripts
    calls = fleet.folder / "calls"
    command = [strace, "-f", "-s", "4096", "-e", "trace=read,write,fdatasync,fsync", "-o", str(calls)]
    with subprocess.Popen([*command, "-p", str(broker)], stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        [id] = fleet.publish(1, "chaos.nap")
        fleet.settle([id])
        tracer.send_signal(signal.SIGINT)

    lines = calls.read_text().splitlines()
    asked = next(i for i, line in enumerate(lines) if "EVALSHA" in line and id in line)
    connection = re.search(r"read\((\d+),", lines[asked])
    assert connection
    answered = next(i for i, line in enumerate(lines) if i > asked and f"write({connection[1]}," in line)
    synced = [line for line in lines[asked:answered] if "fdatasync(" in line or "fsync(" in line]
    figures("c  fsync before the reply", seen=bool(synced))
    assert synced, "\n".join(line[:120] for line in lines[asked : answered + 1])


def test_d_a_network_that_swallows_everything_costs_seconds_and_no_task(
    fleet: ChaosFleet, figures: Figures
) -> None:
    fleet.start("broker")
    until(lambda: fleet.answers(), what="the broker answers")
    proxy = Proxy(fleet.port)
    fleet.use_broker_by(proxy.port)
    worker = fleet.start_worker("python")
    recoveries = []
    with publishing(fleet, 40) as publisher:
        for _ in range(2):
            rows.seconds_until_rows(fleet, 50)
            assert proxy.swallow() > 2
            time.sleep(0.2)  # for rows that were already on their way
            recoveries.append(rows.seconds_until_rows(fleet, 10))

    runs = fleet.settle(publisher.ids)
    fleet.nothing_is_held()
    proxy.close()
    figures(
        "d  connections become black holes, twice",
        published=len(publisher.ids),
        **fleet.tally(publisher.ids, runs),
        recovery_s=round(max(recoveries), 1),
    )
    assert runs.keys() == set(publisher.ids)
    assert max(recoveries) < 20
    assert fleet.workers()[0].pid == worker


def test_d_connections_cut_again_and_again_cost_no_task(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    until(lambda: fleet.answers(), what="the broker answers")
    proxy = Proxy(fleet.port)
    ids = fleet.publish(2000, "chaos.nap", seconds=0.002)
    fleet.use_broker_by(proxy.port)
    worker = fleet.start_worker("python")
    cuts = 0
    while len(fleet.executions(ids)) < len(ids) and cuts < 400:
        proxy.cut()
        cuts += 1
        time.sleep(0.15)

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    proxy.close()
    figures(
        "d  connections cut every 150 ms",
        cuts=cuts,
        **fleet.tally(ids, runs),
    )
    assert runs.keys() == set(ids)
    assert fleet.workers()[0].pid == worker


def test_d_a_connection_cut_after_a_child_was_replaced_slows_nothing(
    fleet: ChaosFleet, figures: Figures
) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    _wait_for_a_nap(fleet)
    victim = children(worker)[-1]
    os.kill(victim, signal.SIGKILL)
    until(lambda: children(worker)[-1] > victim, what="a new child, which has the connections open too")
    with Redis.from_url(fleet.admin_url) as connection:
        for kind in ("normal", "pubsub"):
            connection.client_kill_filter(_type=kind)
    recovery = _wait_for_a_nap(fleet)

    waits = [_wait_for_a_nap(fleet) for _ in range(8)]

    figures(
        "d  cut after a child was replaced",
        recovery_s=round(recovery, 1),
        then_at_most_s=round(max(waits), 2),
    )
    assert recovery < 20
    assert max(waits) < 3  # usually some hundredths; more than 4 s if each turn of the event loop took 1 s


def _wait_for_a_nap(fleet: ChaosFleet) -> float:
    """Publish a call, and return the seconds until its result is there."""
    began = time.monotonic()
    fleet.client().signature("wasmfleet.chaos.nap", queue="wasmfleet.python").apply_async().get(timeout=60)
    return time.monotonic() - began


def test_e_a_broker_frozen_for_half_a_minute_makes_no_storm(fleet: ChaosFleet, figures: Figures) -> None:
    broker = fleet.start("broker")
    until(fleet.answers, what="the broker answers")
    ids = fleet.publish(3000, "chaos.nap", seconds=0.02)
    first, second = fleet.start_worker("python"), fleet.start_worker("python")
    until(lambda: fleet.logged() >= 50, what="tasks run", log=fleet.output)
    os.kill(broker, signal.SIGSTOP)
    time.sleep(30)
    os.kill(broker, signal.SIGCONT)
    recovery = rows.seconds_until_rows(fleet, 20)

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    tally = fleet.tally(ids, runs)
    figures("e  broker stopped for 30 s", **tally, recovery_s=round(recovery, 1))
    assert runs.keys() == set(ids)
    assert tally["duplicates"] <= 16  # at most what two workers of two children held
    assert {worker.pid for worker in fleet.workers()} == {first, second}
