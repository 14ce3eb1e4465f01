"""`wasmfleet up` when it or its processes end: failed starts are tried again, nothing is left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.test_deploy import commands_of_units
from tests.acceptance.up import processes_of, up


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_in_order_and_leaves_nothing_behind(
    fleet: Installation, how: signal.Signals
) -> None:
    with up(fleet) as process:
        process.send_signal(how)
        assert process.wait(60) == 0

    assert processes_of(fleet.data) == {}


def test_a_killed_supervisor_leaves_nothing_behind(fleet: Installation) -> None:
    with up(fleet) as process:
        process.kill()
        process.wait()
        until(lambda: processes_of(fleet.data) == {}, what="every process ended")


def test_what_cannot_be_started_is_tried_again_and_the_others_never_notice(fleet: Installation) -> None:
    late = fleet.folder / "late"
    procfile = fleet.package / "Procfile"
    procfile.write_text(procfile.read_text() + f"late: {late}\n")
    with up(fleet):
        until(lambda: "cannot be started" in fleet.output(), what="it says so", log=fleet.output)
        late.write_text("#!/bin/sh\necho here I am\nexec sleep 60\n")
        late.chmod(0o700)

        until(lambda: "here I am" in fleet.output(), what="it is started", log=fleet.output)
        assert fleet.call("digest.digest", data=b"abc").get(timeout=30)


def test_the_commands_of_the_units_start_a_fleet_and_sigterm_ends_it(fleet: Installation) -> None:
    pids = [fleet.start(command.removeprefix("worker ")) for command in sorted(commands_of_units())]
    until(lambda: {worker.role for worker in fleet.workers()} == {"wasm", "python"}, what="heartbeats")

    for pid in reversed(pids):
        os.kill(pid, signal.SIGTERM)

    assert {fleet.wait(pid, 30) for pid in pids} <= {0, -signal.SIGTERM}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.killpg(pid, 0)
