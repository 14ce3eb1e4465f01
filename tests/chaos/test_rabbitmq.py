"""Rows a to g with RabbitMQ as the broker, and Valkey for results and other state that processes share."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import celery
import pytest

from tests.acceptance.installation import until
from tests.chaos import rows
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet, kill_group
from tests.chaos.proxy import Proxy
from tests.chaos.rabbitmq import RabbitMQ
from tests.needs import need

_SOURCE = "function f(a) { return a.map(x => x + 1); }\n" * 150
_TASKS = 2000

pytestmark = pytest.mark.xdist_group("rabbitmq")


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), *need("rabbitmq-server"))
    yield node
    node.close()


@pytest.fixture
def fleet(tmp_path: Path, rabbit: RabbitMQ) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path, CONCURRENCY="2") as made:
        made.start("broker")
        until(made.answers, what="the state store answers")
        made.environment |= {"WASMFLEET_BROKER_URL": rabbit.url, "WASMFLEET_STATE_URL": made.url}
        yield made


def test_a_workers_killed_at_random_lose_nothing(
    fleet: ChaosFleet, dice: random.Random, figures: Figures
) -> None:
    worker = fleet.start_worker("wasm")
    ids = fleet.publish(_TASKS, "ast.validate", lane="wasm", source=_SOURCE, filename="f.js")
    for _ in range(10):
        wait_for = min(_TASKS, fleet.logged() + dice.randrange(1, 150))
        until(lambda n=wait_for: fleet.logged() >= n, seconds=60, log=fleet.output)
        kill_group(worker)
        worker = fleet.start_worker("wasm")

    runs = fleet.settle(ids)
    figures(
        "a  on RabbitMQ, 10 kills",
        **fleet.tally(ids, runs),
    )
    assert runs.keys() == set(ids)
    assert fleet.logged() == _TASKS


def test_b_a_killed_child_costs_only_its_own_task_a_second_run(fleet: ChaosFleet, figures: Figures) -> None:
    worker = fleet.start_worker("python")

    figures("b  on RabbitMQ", **rows.child_killed(fleet, worker))


def test_the_doctor_complains_of_calls_that_name_no_queue(fleet: ChaosFleet, rabbit: RabbitMQ) -> None:
    """RabbitMQ's default queue is not served: a worker cannot look at a message there without taking it."""
    with celery.Celery(broker=rabbit.url, set_as_current=False) as client:
        client.send_task("wasmfleet.digest.digest", kwargs={"data": b"abc"})
        with client.connection() as connection:
            try:
                said = until(
                    lambda: (told := fleet.command("doctor").stdout) and "in the queue" in told and told
                )
            finally:
                connection.default_channel.queue_delete("celery")

    assert "1 message waits in the queue celery, which nobody consumes" in said
    assert "name the queue wasmfleet.any in calls of this fleet" in said


def test_awaited_calls_are_published_to_rabbitmq_as_well(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start_worker("wasm")
    command = [sys.executable, Path(__file__).parents[1] / "acceptance" / "async_client.py", "crowd", "300"]
    done = subprocess.run(command, env=fleet.environment, capture_output=True, text=True, timeout=200)

    assert done.returncode == 0, done.stderr
    took = json.loads(done.stdout)
    figures("awaiting  300 calls on RabbitMQ", **took)
    assert (took["calls"], took["threads"] <= 6) == (300, True)


def test_c_a_killed_broker_loses_nothing(fleet: ChaosFleet, rabbit: RabbitMQ, figures: Figures) -> None:
    ids = fleet.publish(_TASKS, "chaos.nap", seconds=0.02)
    fleet.start_worker("python")
    until(lambda: fleet.logged() > 100, what="tasks run")
    rabbit.kill()
    rabbit.start()
    began, before = time.monotonic(), fleet.logged()
    until(lambda: fleet.logged() > before + 10, seconds=60, what="tasks run again", log=fleet.output)
    recovery = time.monotonic() - began

    runs = fleet.settle(ids)
    figures(
        "c  on RabbitMQ, broker killed",
        **fleet.tally(ids, runs),
        recovery_s=round(recovery, 1),
    )
    assert runs.keys() == set(ids)
    assert recovery < 10


def test_d_a_network_that_swallows_everything_costs_seconds_and_no_task(
    fleet: ChaosFleet, rabbit: RabbitMQ, figures: Figures
) -> None:
    ids = fleet.publish(_TASKS, "chaos.nap", seconds=0.02)
    proxy = Proxy(rabbit.port)
    fleet.environment["WASMFLEET_BROKER_URL"] = rabbit.url.replace(str(rabbit.port), str(proxy.port))
    worker = fleet.start_worker("python")
    until(lambda: fleet.logged() > 100, what="tasks run", log=fleet.output)
    assert proxy.swallow() >= 1
    time.sleep(3)  # for what the worker had taken already
    recovery = rows.seconds_until_rows(fleet, 20)

    runs = fleet.settle(ids)
    survivors = {seen.pid for seen in fleet.workers()}
    proxy.close()
    figures("d  on RabbitMQ, a black hole", **fleet.tally(ids, runs), recovery_s=round(recovery, 1))
    assert runs.keys() == set(ids)
    assert recovery < 20
    assert survivors == {worker}


def test_e_a_broker_frozen_for_half_a_minute_makes_no_storm(
    fleet: ChaosFleet, rabbit: RabbitMQ, figures: Figures
) -> None:
    ids = fleet.publish(_TASKS, "chaos.nap", seconds=0.02)
    worker = fleet.start_worker("python")
    until(lambda: fleet.logged() > 50, what="tasks run", log=fleet.output)
    rabbit.signal(signal.SIGSTOP)
    time.sleep(30)
    rabbit.signal(signal.SIGCONT)
    recovery = rows.seconds_until_rows(fleet, 20)

    runs = fleet.settle(ids)
    tally = fleet.tally(ids, runs)
    figures("e  on RabbitMQ, stopped for 30 s", **tally, recovery_s=round(recovery, 1))
    assert runs.keys() == set(ids)
    assert tally["duplicates"] <= 8  # at most what a worker of two children held
    assert fleet.workers()[0].pid == worker


def test_f_sigterm_lets_running_tasks_end_and_gives_back_the_rest(
    fleet: ChaosFleet, figures: Figures
) -> None:
    worker = fleet.start_worker("python")
    ids = fleet.publish(12, "chaos.nap", seconds=2.0)
    until(fleet.active, what="the first runs")

    figures("f  on RabbitMQ", **rows.terminated_twice(fleet, worker, ids))
    fleet.start_worker("python")
    assert fleet.settle(ids) == dict.fromkeys(ids, 1)


def test_g_a_call_that_always_kills_its_process_is_set_aside(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start_worker("python")
    [poison] = fleet.publish(1, "chaos.crash")
    others = fleet.publish(50, "chaos.nap", seconds=0.01)
    began = time.monotonic()

    runs = fleet.settle([poison, *others], seconds=60)

    figures("g  on RabbitMQ", seconds_to_quarantine=round(time.monotonic() - began, 1))
    assert runs.keys() == {poison, *others}
    [entry] = fleet.quarantine()
    assert (entry["id"], entry["reason"]) == (poison, "it killed its process 3 times")


def test_calls_whose_results_cannot_be_stored_are_not_delivered_over_and_over(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    ids = fleet.publish(6, "chaos.nap", seconds=0.5)
    until(fleet.logged, what="one has run", log=fleet.output)
    os.kill(json.loads((fleet.data / "broker.json").read_bytes())["pid"], signal.SIGKILL)
    time.sleep(12)  # the calls that the worker had taken go back, each after some seconds

    before = fleet.output().count("goes back to its queue")
    time.sleep(8)

    assert (
        fleet.output().count("goes back to its queue") == before
    )  # RabbitMQ 4 drops a message that came back 20 times
    fleet.start_with("broker", {"WASMFLEET_BROKER_URL": ""})
    until(fleet.answers, what="the store answers")
    until(lambda: fleet.answered(ids) == 6, what="all results", log=fleet.output)


def test_less_urgent_calls_wait_in_a_queue_of_their_own(fleet: ChaosFleet) -> None:
    later = fleet.publish(400, "chaos.nap", priority=9, seconds=0.03)
    usual = fleet.publish(20, "chaos.nap", seconds=0.03)
    fleet.start_worker("python")

    fleet.settle(usual)

    assert len(fleet.executions(later)) < len(later) / 2
    assert fleet.settle([*later, *usual]) == dict.fromkeys([*later, *usual], 1)


@pytest.mark.parametrize(("time_limit", "state"), [("10", "ok"), ("120", "warning")])
def test_the_doctor_compares_the_consumer_timeout_with_what_a_message_may_take(
    fleet: ChaosFleet, rabbit: RabbitMQ, time_limit: str, state: str
) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "wasmfleet", "doctor", "--format", "json"],
        env=fleet.environment | rabbit.environment | {"WASMFLEET_TIME_LIMIT": time_limit},
        cwd=fleet.folder,
        capture_output=True,
        text=True,
    )

    told = [checkup for checkup in json.loads(asked.stdout) if "consumer_timeout" in checkup["finding"]]
    assert [(checkup["state"], checkup["finding"][:27]) for checkup in told] == [
        (state, "consumer_timeout is 1,800 s")
    ]
