"""The files in deploy/ start the processes of the Procfile, and no others."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from tests.acceptance.installation import installation, until
from wasmfleet.config.settings import Settings, load
from wasmfleet.workers.supervisor import procfile

_DEPLOY = Path(__file__).parents[2] / "deploy"
_UNITS = sorted((_DEPLOY / "systemd").glob("*.service"))


def commands_of_units() -> set[str]:
    found = set()
    for unit in _UNITS:
        [command] = re.findall(r"^ExecStart=\S+/wasmfleet (.+)$", unit.read_text(), re.MULTILINE)
        found |= {command.replace("%i", role) for role in (("wasm", "python") if "%i" in command else ("",))}
    return found


def compose() -> dict[str, dict[str, object]]:
    services: dict[str, dict[str, object]] = yaml.safe_load((_DEPLOY / "compose.yaml").read_text())[
        "services"
    ]
    return services


def test_units_and_compose_have_the_processes_of_the_procfile() -> None:
    expected = {command.removeprefix("wasmfleet ") for command in procfile().values()}
    ours = {" ".join(service["command"]) for name, service in compose().items() if name != "broker"}  # type: ignore[arg-type]

    assert commands_of_units() == expected
    assert ours == expected - {"broker"}
    assert set(compose()) == set(procfile())


def test_compose_waits_for_a_broker_that_keeps_what_it_is_given() -> None:
    command = " ".join(compose()["broker"]["command"])  # type: ignore[arg-type]

    assert "--appendonly yes --appendfsync always" in command
    assert "noeviction" in command
    for service in compose().values():
        assert "healthcheck" in service
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))  # type: ignore[attr-defined]


def test_the_environment_of_compose_is_one_that_settings_accept() -> None:
    for name, service in compose().items():
        if name != "broker":
            given = {key: str(value) for key, value in service["environment"].items()}  # type: ignore[attr-defined]
            load(given | {"WASMFLEET_FLOWER_AUTH": "user:password"})


def test_the_environment_file_names_every_setting_once() -> None:
    named = re.findall(r"^#?WASMFLEET_([A-Z_]+)=", (_DEPLOY / "wasmfleet.env").read_text(), re.MULTILINE)

    assert named == [field.name.upper() for field in fields(Settings)]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze on this machine")
    command = shutil.which("true") or "/bin/true"
    for unit in [*_UNITS, _DEPLOY / "systemd" / "wasmfleet.target"]:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/wasmfleet/bin/wasmfleet", command))
    (tmp_path / "wasmfleet-worker@wasm.service").symlink_to(tmp_path / "wasmfleet-worker@.service")
    units = [tmp_path / "wasmfleet-broker.service", tmp_path / "wasmfleet-flower.service"]

    done = subprocess.run(
        [analyze, "verify", "--man=no", *units, tmp_path / "wasmfleet-worker@wasm.service"],
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )

    assert done.returncode == 0, done.stderr


def test_the_commands_start_a_fleet_and_sigterm_ends_it(tmp_path: Path) -> None:
    with installation(tmp_path) as fleet:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "wasmfleet", *shlex.split(command)],
                env=fleet.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            for command in sorted(commands_of_units())
        ]
        until(lambda: {worker.role for worker in fleet.workers()} == {"wasm", "python"}, what="heartbeats")
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(30) for process in started]

    assert set(codes) <= {0, -signal.SIGTERM}
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
