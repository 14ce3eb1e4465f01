"""A message that ends the main process of each worker that receives it."""

import base64
import json
import os
import signal
from functools import partial

from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet
from wasmfleet.workers.node.liveness import started_ticks


def test_a_message_that_ends_main_processes_is_set_aside_and_those_beside_it_are_served(
    serving: ChaosFleet,
) -> None:
    fleet = serving
    fleet.start_worker("python")
    before = _set_aside(fleet)
    [worker] = fleet.workers()
    os.kill(worker.pid, signal.SIGSTOP)  # so that the next worker takes all messages together
    good = fleet.publish(3, "chaos.nap")
    [deadly] = fleet.publish(1, "chaos.end_worker")
    good += fleet.publish(3, "chaos.nap")
    os.kill(worker.pid, signal.SIGKILL)
    fleet.wait(worker.pid, 10)

    pid = starts = 0
    while deadly not in _set_aside(fleet) and starts < 10:
        pid, starts = fleet.start("python"), starts + 1
        until(partial(_is_decided, fleet, len(before), pid), seconds=60, log=fleet.output)

    print(f"it ended {starts - 1} more workers")
    assert fleet.settle(good, seconds=60).keys() == set(good)
    assert _set_aside(fleet) - before == {deadly}
    [row] = fleet.rows(deadly)
    assert (row["error_code"], row["outcome"]) == ("Quarantined", "error")
    assert pid
    os.kill(pid, signal.SIGTERM)
    fleet.wait(pid, 30)
    _is_kept_and_can_be_sent_again(fleet, deadly)


def _is_kept_and_can_be_sent_again(fleet: ChaosFleet, id: str) -> None:
    """Assert that the message was kept whole and can be sent again; no worker runs that it could kill."""
    told = fleet.run(f"from wasmfleet.workers.fleet_state import quarantine; print(quarantine.retry({id!r}))")
    with Redis.from_url(fleet.url) as broker:
        message = json.loads(broker.rpop("wasmfleet.python") or "")  # type: ignore[arg-type]
        kept = broker.hlen("wasmfleet:deadly")
    assert (message["headers"]["task"], message["headers"]["id"]) == (
        "wasmfleet.chaos.end_worker",
        told.strip(),
    )
    assert "wasmfleet_lost" not in message["headers"]
    assert base64.b64decode(message["body"])[:1] == b"\x93"
    assert (kept, id in _set_aside(fleet)) == (0, False)


def _set_aside(fleet: ChaosFleet) -> set[str]:
    return {entry["id"] for entry in fleet.quarantine()}


def _is_decided(fleet: ChaosFleet, before: int, pid: int) -> bool:
    """Tell whether one more message is set aside, or the worker has ended."""
    return _is_gone(pid) or fleet.set_aside() > before


def _is_gone(pid: int) -> bool:
    try:
        return started_ticks(pid) < 0
    except OSError:
        return True
