"""When brokers end and start, a fleet talks only to its own broker, and its password stays the same."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.up import broker_pid, up

pytestmark = pytest.mark.xdist_group("restarts")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("restarts")) as made, up(made):
        yield made


def _password(fleet: Installation) -> str:
    return (fleet.data / "broker" / "password").read_text()


def test_a_second_fleet_waits_for_its_own_broker_and_not_for_the_one_that_answers_on_its_port(
    fleet: Installation, tmp_path: Path
) -> None:
    taken = fleet.environment["WASMFLEET_BROKER_PORT"]
    with (
        installation(tmp_path, BROKER_PORT=taken) as second,
        Redis.from_url(fleet.admin_url) as administrator,
    ):
        administrator.execute_command("ACL", "LOG", "RESET")
        second.start("python")
        until(
            lambda: "no embedded broker runs" in second.command("doctor").stdout, what="who looks finds none"
        )
        second.start("broker")
        until(lambda: "ready" in second.output(), what="the worker has found it", log=second.output)
        refused: Any = administrator.execute_command("ACL", "LOG")
    assert "moves to" in second.output()
    assert refused == [], "its password was shown to another server"


def _kill_broker(fleet: Installation) -> None:
    """Kill the broker, and wait until the supervisor has started a new one."""
    before = broker_pid(fleet.data)
    os.kill(before, signal.SIGKILL)
    until(lambda: broker_pid(fleet.data) != before, what="a new broker")


def test_users_whom_an_operator_added_and_the_password_outlive_a_restart(fleet: Installation) -> None:
    before = _password(fleet)
    _kill_broker(fleet)
    until(fleet.workers, what="the fleet serves again", log=fleet.output)

    with Redis.from_url(fleet.admin_url) as administrator:
        users: Any = administrator.execute_command("ACL", "USERS")
        assert administrator.config_get("appendfsync") == {"appendfsync": "always"}
    assert sorted(users) == [b"administrator", b"default"]
    assert _password(fleet) == before
