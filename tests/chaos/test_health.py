"""What liveness and readiness say of a worker that is stopped, hung, or without its broker."""

import os
import signal
import socket
import time
from pathlib import Path

from tests.acceptance.installation import until
from tests.acceptance.up import broker_pid
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet
from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import vital_signs


def is_healthy(fleet: ChaosFleet, *words: str) -> bool:
    return fleet.command("healthy", "worker", *words).returncode == 0


def test_a_worker_without_its_broker_lives_and_is_not_ready(serving: ChaosFleet, figures: Figures) -> None:
    serving.start_worker("python")
    until(lambda: is_healthy(serving, "--ready"), what="it is ready")
    os.kill(broker_pid(serving.data), signal.SIGKILL)

    until(lambda: not is_healthy(serving, "--ready"), seconds=60, what="it is not ready")
    deadline = time.monotonic() + vital_signs.SILENT_S + 5
    while time.monotonic() < deadline:
        assert is_healthy(serving), serving.command("healthy", "worker").stdout
        time.sleep(2)
    serving.start("broker")

    until(lambda: is_healthy(serving, "--ready"), seconds=60, what="it is ready again", log=serving.output)
    figures("health without a broker", seconds_alive=round(vital_signs.SILENT_S + 5))


def test_a_worker_that_hangs_is_dead_until_it_goes_on(serving: ChaosFleet, figures: Figures) -> None:
    worker = serving.start_worker("python")
    until(lambda: is_healthy(serving), what="it lives")
    began = time.monotonic()

    os.kill(worker, signal.SIGSTOP)
    until(lambda: not is_healthy(serving), seconds=vital_signs.SILENT_S + 30, what="it is dead")
    took = time.monotonic() - began
    os.kill(worker, signal.SIGCONT)

    until(lambda: is_healthy(serving), what="it lives again")
    figures("health of a hung worker", dead_after_s=round(took))


def test_systemd_hears_when_a_worker_is_ready_lives_and_ends(serving: ChaosFleet, tmp_path: Path) -> None:
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(30)
        worker = serving.start_with("python", {"NOTIFY_SOCKET": str(place)})

        first = manager.recv(100)
        following = {manager.recv(100) for _ in range(3)}
        os.kill(worker, signal.SIGTERM)
        last = first
        while last != b"STOPPING=1":
            last = manager.recv(100)

    assert first == b"READY=1"
    assert following == {b"WATCHDOG=1"}
    assert serving.wait(worker, 30) == 0
    assert vital_signs.of_node(_settings(serving), os.uname().nodename) == []


def _settings(fleet: ChaosFleet) -> Settings:
    return Settings(data_dir=fleet.data)
