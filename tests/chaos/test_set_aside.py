"""Calls that kill their process again and again: what is kept of them, what is not, and how they are sent again."""

import pytest

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet


@pytest.fixture
def fleet(serving: ChaosFleet) -> ChaosFleet:
    return serving


def test_the_arguments_of_a_cipher_that_kills_are_not_kept(fleet: ChaosFleet) -> None:
    with (fleet.package / "tasks" / "crypto.py").open("a") as module:
        module.write(
            "\n\n@operation(parity='exact')\n"
            "def crash(data: str) -> str:\n"
            "    import os\n"
            "    os.kill(os.getpid(), 9)\n"
            "    return data\n"
        )
    fleet.start_worker("python")

    fleet.publish(1, "crypto.crash", data="SECRET")
    with pytest.raises(Exception, match="killed its process 32 times and is set aside"):
        fleet.batch("crypto.crash", [{"data": "SECRET"}] * 12, timeout=60)

    entries = fleet.quarantine()
    assert {entry["operation"] for entry in entries} == {"wasmfleet.crypto.crash", "wasmfleet.batch"}
    assert {entry["not_kept"] for entry in entries} == {"arguments that may be secret are never kept"}
    assert {entry["message"] for entry in entries} == {None}


def test_a_batch_given_by_name_goes_on_without_the_item_that_kills(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    given = {"operation": "chaos.crash", "calls": [{"really": True}, {"really": False}]}
    batch = fleet.client().signature("wasmfleet.batch", kwargs=given, queue="wasmfleet.python")

    killed, other = batch.apply_async().get(timeout=60)

    assert (killed[1], other) == ("Quarantined", [0, False])
    [entry] = fleet.quarantine()
    assert entry["message"]["body"] == [[], {"really": True}, {}]


def test_a_call_set_aside_is_sent_again_as_a_new_task(fleet: ChaosFleet) -> None:
    fleet.start_worker("python")
    [id] = fleet.publish(1, "chaos.crash")
    until(fleet.set_aside, log=fleet.output)
    module = fleet.package / "tasks" / "chaos.py"
    module.write_text(module.read_text().replace("signal.SIGKILL", "0"))  # the defect is mended
    fleet.stop_worker()
    fleet.start_worker("python")

    said = fleet.command("quarantine", "retry", id).stdout

    new = said.removeprefix("sent again as ").strip()
    assert fleet.settle([new], seconds=30) == {new: 1}
    [row] = fleet.rows(new)
    assert row["outcome"] == "ok"
    assert fleet.quarantine() == []
