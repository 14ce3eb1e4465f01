"""The promises about delivery: a busy fleet says so, drained workers take nothing, no message is dropped."""

import json
import re
import sys
import time
from pathlib import Path

import pytest
from redis import Redis

from tests import lifeline
from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet
from wasmfleet.workers.fleet_state.heartbeats import EXPIRY_S


@pytest.fixture
def fleet(misbehaving: ChaosFleet) -> ChaosFleet:
    return misbehaving


_BUSY = """
import time
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.errors import FleetBusy
began = time.monotonic()
try:
    for _ in range(3):
        find("chaos.nap").apply_async(lane="python")
except FleetBusy as error:
    print(error)
"""


def test_a_full_queue_is_an_error_that_names_it(fleet: ChaosFleet) -> None:
    fleet.environment["WASMFLEET_QUEUE_LIMIT"] = "2"

    said = fleet.run(_BUSY)

    assert said == "2 messages wait in wasmfleet.python already; nothing was queued\n"
    assert fleet.queued() == 2


def test_a_publisher_that_may_wait_gets_its_turn(fleet: ChaosFleet) -> None:
    fleet.environment |= {"WASMFLEET_QUEUE_LIMIT": "2", "WASMFLEET_BUSY_WAIT": "30"}
    fleet.start_worker("python")

    assert len(fleet.publish(30, "chaos.nap", seconds=0.02)) == 30


@pytest.mark.parametrize("priority", [0, 5])
def test_a_queue_that_waits_too_long_is_an_error(fleet: ChaosFleet, priority: int) -> None:
    fleet.publish(1, "chaos.nap", priority=priority)
    fleet.environment["WASMFLEET_QUEUE_AGE"] = "0.001"

    assert "the oldest message in wasmfleet.python has waited" in fleet.run(_BUSY)


def test_a_drained_worker_ends_what_it_has_and_takes_nothing_more(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    first = fleet.publish(2, "chaos.nap", seconds=5.0)
    until(lambda: fleet.held() == 2, what="the worker has taken both")

    drained = fleet.command("drain")

    assert (drained.returncode, drained.stdout.startswith("drained: python-")) == (0, True), drained.stderr
    assert len(fleet.executions(first)) == 2
    until(lambda: all(worker.idle_because for worker in fleet.workers()), what="its heartbeat says so")
    assert "it takes no messages: it is drained" in fleet.command("doctor").stdout
    asked = fleet.command("submit", "digest.digest", "--arg", "data=x")
    assert (asked.returncode, "no worker takes messages" in asked.stderr) == (2, True)
    time.sleep(EXPIRY_S + 2)  # by then a fallback worker that is alone would take the lane any as well
    more = [*fleet.publish(1, "chaos.nap"), *fleet.publish(1, "chaos.nap", lane="any")]
    assert fleet.queued() == 2
    assert "serving again" in fleet.command("drain", "--resume").stdout
    assert len(fleet.settle(more, seconds=30)) == 2


def test_a_drained_worker_gives_back_what_waits_for_its_time_when_it_stops(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    nap = fleet.client().signature("wasmfleet.chaos.nap", queue="wasmfleet.python")
    nap.apply_async(countdown=300)
    until(lambda: fleet.held() == 1, what="the worker has taken it")

    drained = fleet.command("drain")
    fleet.stop_worker()

    assert (drained.returncode, fleet.queued()) == (0, 1)


def test_a_message_nobody_can_read_is_set_aside_whole_and_can_be_dropped(fleet: ChaosFleet) -> None:
    with Redis.from_url(fleet.url) as broker:
        broker.lpush("wasmfleet.python", b"no message at all")
    [sent] = [fleet.client().send_task("wasmfleet.no.such", queue="wasmfleet.python", kwargs={"a": 1}).id]
    fleet.start_worker("python")
    until(lambda: fleet.set_aside() == 2, log=fleet.output)

    entries = {entry["kind"] + entry["operation"]: entry for entry in fleet.quarantine()}

    assert entries["refused"]["message"]["body"] == "no message at all"
    assert fleet.command("quarantine", "retry", entries["refused"]["id"]).returncode == 0
    until(lambda: fleet.set_aside() == 2, what="it is refused again", log=fleet.output)
    entries = {entry["kind"] + entry["operation"]: entry for entry in fleet.quarantine()}
    assert entries["refused"]["message"]["body"] == "no message at all"
    assert entries["refusedwasmfleet.no.such"]["id"] == sent
    assert entries["refusedwasmfleet.no.such"]["reason"].startswith("UnknownOperation: ")
    for entry in entries.values():
        assert json.loads(fleet.command("quarantine", "show", entry["id"]).stdout)["id"] == entry["id"]
        assert fleet.command("quarantine", "drop", entry["id"]).returncode == 0
    assert "nothing is set aside" in fleet.command("quarantine", "list").stderr
    assert fleet.command("quarantine", "show", sent).returncode == 2
    fleet.nothing_is_held()


def test_a_plain_worker_command_in_threads_serves_too(fleet: ChaosFleet) -> None:
    command = [
        "-m",
        "celery",
        "-A",
        "wasmfleet.workers.app",
        "worker",
        "--pool=threads",
        "-Q",
        "wasmfleet.python",
    ]
    with (fleet.folder / "threads.log").open("wb") as output:
        worker = lifeline.start(
            [sys.executable, *command], env=fleet.environment, stdout=output, stderr=output
        )
    try:
        ids = fleet.publish(200, "chaos.nap", seconds=0.002)

        assert fleet.settle(ids, seconds=60) == dict.fromkeys(ids, 1), fleet.output()
        fleet.nothing_is_held()
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        lifeline.end(worker)


def test_a_fleet_gets_by_with_the_rights_that_the_guide_names(fleet: ChaosFleet) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    [rights] = re.findall(r"^ACL SETUSER fleet .*$", guide, re.MULTILINE)
    with Redis.from_url(fleet.admin_url) as administrator:
        administrator.execute_command("ACL", "LOG", "RESET")
        administrator.execute_command(*rights.split())
        address = fleet.url.rpartition("@")[2]
        fleet.environment["WASMFLEET_BROKER_URL"] = f"wasmfleet+redis://fleet:secret@{address}"
        fleet.start("wasm")
        fleet.start("python")
        until(lambda: len(fleet.workers()) == 2, what="both workers", log=fleet.output)

        ids = fleet.publish(20, "ast.outline", lane="any", source="let a", language="javascript")

        until(lambda: len(fleet.rows(*ids)) == 20, what="all are served", log=fleet.output)
        assert "drained" in fleet.command("drain").stdout
        assert "hidden" not in fleet.command("doctor").stdout
        fleet.environment["WASMFLEET_BROKER_URL"] = f"redis://fleet:secret@{address}"
        assert "can lose the message" in fleet.command("doctor").stdout
        assert administrator.execute_command("ACL", "LOG") == []
