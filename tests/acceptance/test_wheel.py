"""The wheel in new environments: with the extra `fleet` it runs a fleet, without extras it calls one."""

import json
import os
import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.acceptance.conftest import CommandLine, one_line
from tests.acceptance.wheels import built, installed, pip
from tests.ports import free_port

_CALLS = """
import json
from celery import chain
from wasmfleet.tasks import ast, digest, text
from wasmfleet.workers.errors import InvalidArguments, RuntimeUnavailable

report = ast.validate.delay("const a = ;", filename="a.js").get(timeout=30)
items = list(digest.digest.many([{"data": b"abc"}, {"data": b""}, {"data": b"", "algorithm": "md5"}]))
hashed = chain(digest.digest.s(b"abc"), text.hash.s()).apply_async().get(timeout=30)
try:
    digest.digest.delay("no bytes")
except InvalidArguments as error:
    refused = error.code
try:
    ast.validate("let a = 1")
except RuntimeUnavailable as error:
    here = str(error)
print(json.dumps([report["valid"], [[one.value, one.error] for one in items], hashed, refused, here]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel without any of its extras."""
    return installed(str(wheel), tmp_path_factory.mktemp("client"))


def without_checkout(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}


@pytest.mark.timeout(900)
def test_the_installed_wheel_runs_the_sample_job(wheel: Path, tmp_path: Path) -> None:
    binaries = installed(f"{wheel}[fleet]", tmp_path)
    environment = without_checkout(dict(os.environ)) | {
        "WASMFLEET_DATA_DIR": str(tmp_path / "data"),
        "WASMFLEET_BROKER_PORT": str(free_port()),
        "WASMFLEET_FLOWER_PORT": str(free_port()),
    }

    done = subprocess.run(
        [binaries / "wasmfleet", "up", "--sample", "--once"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ast.validate" in done.stdout


@pytest.mark.timeout(900)
def test_a_client_without_extras_calls_a_running_fleet(
    client: Path, fleet: CommandLine, tmp_path: Path
) -> None:
    done = subprocess.run(
        [client / "python", "-c", _CALLS],
        env=without_checkout(fleet.environment),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    valid, items, hashed, refused, here = json.loads(done.stdout)
    assert (valid, refused) == (False, "InvalidArguments")
    assert items == [
        ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", None],
        ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", None],
        ["d41d8cd98f00b204e9800998ecf8427e", None],
    ]
    assert re.fullmatch(r"[0-9a-f]{16}", hashed)
    assert "pip install '.[fleet]'" in here


@pytest.mark.timeout(900)
def test_a_client_install_has_none_of_the_fleets_packages(client: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [*pip(client), "list", "--format=freeze"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    has = {line.partition("==")[0].lower().replace("_", "-") for line in listed.stdout.splitlines()}

    assert {"wasmfleet", "celery", "redis", "msgspec"} <= has
    assert len(packages_of_extras()) > 15
    assert has & packages_of_extras() == set()


@pytest.mark.timeout(900)
def test_a_clients_command_tells_what_to_install_for_the_fleets(client: Path, tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        environment = without_checkout(dict(os.environ)) | {"WASMFLEET_DATA_DIR": str(tmp_path / "data")}
        command = [client / "wasmfleet", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert re.fullmatch(r"wasmfleet \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "wasmfleet.ast.validate(source: str" in run("ops").stdout
    assert "NIST SP 800-38D" in run("ops", "crypto.encrypt").stdout
    assert "wasmfleet ops" in run("--help").stdout
    for words in (("up",), ("worker", "wasm"), ("broker",), ("check", "src"), ("submit", "digest.digest")):
        told = run(*words)
        assert (told.returncode, told.stdout) == (2, "")
        assert "pip install '.[fleet]'" in one_line(told.stderr)


def packages_of_extras() -> set[str]:
    """Return the names of the distributions that the extras `fleet` and `sealing` declare."""
    found = [line for line in requires("wasmfleet") or [] if re.search(r"extra == .(fleet|sealing).", line)]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in found}  # type: ignore[index]
    return names - {"wasmfleet"}
