"""Row o: the clock of the broker, or of a worker, jumps an hour either way."""

import time

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, kill_group
from tests.needs import need


@pytest.mark.parametrize("whose", ["broker", "worker"])
@pytest.mark.parametrize("jump", ["+1h", "-1h"])
def test_o_a_clock_that_jumps_an_hour_moves_no_lease(
    fleet: ChaosFleet, figures: Figures, whose: str, jump: str
) -> None:
    [library] = need("libfaketime")
    clock = fleet.folder / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    fleet.start_with("broker", faked if whose == "broker" else {})
    until(fleet.answers, what="the broker answers")
    fleet.start_with("python", faked if whose == "worker" else {})
    until(lambda: len(fleet.workers()) == 1, log=fleet.output)
    other = fleet.start_worker("python")
    ids = fleet.publish(8, "chaos.nap", seconds=4.0)
    until(lambda: fleet.held() == 8, what="both workers hold their share")
    clock.write_text(jump)
    time.sleep(2)  # the leases are renewed, and looked at, once a second
    kill_group(other)

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    figures(f"o  clock of the {whose} jumps {jump}", **fleet.tally(ids, runs))
    assert runs == dict.fromkeys(ids, 1)
