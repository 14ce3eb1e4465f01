"""The transport in an environment of its own, with nothing but what `pip install wasmfleet` brings, in each Python."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.acceptance.wheels import built, installed, pip
from tests.transport.conftest import settled
from tests.transport.stock.processes import Stock, stock

_VERSIONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=_VERSIONS)
def environment(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The programs of an environment of this version of Python, with the wheel and no extra of it."""
    if not (python := _python(request.param)):
        pytest.skip(f"this machine has no Python {request.param}")
    return installed(str(wheel), tmp_path_factory.mktemp("env"), python)


def _python(version: str) -> str | None:
    """A Python of this version: on the path, or of pyenv."""
    on_path = shutil.which(f"python{version}")
    candidates = [on_path] if on_path else []
    candidates += map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for python in candidates:
        told = subprocess.run([python, "-c", "import sys, venv; print(sys.version)"], capture_output=True)
        if told.returncode == 0 and told.stdout.decode().startswith(f"{version}."):
            return python
    return None


@pytest.fixture
def app(environment: Path, port: int, broker: "Redis", tmp_path: Path) -> Iterator[Stock]:
    url = f"wasmfleet+redis://127.0.0.1:{port}/0"
    with stock(tmp_path / "app", url, str(environment / "python"), task_acks_late=True) as made:
        yield made


@pytest.mark.timeout(900)
def test_celery_and_this_package_are_all_that_a_worker_needs(
    environment: Path, app: Stock, broker: "Redis"
) -> None:
    worker = app.worker("--concurrency=2")
    for number in range(100):
        app.send("work", number)
    app.wait_for(100)
    status = app.command("status")
    app.send("slow", "held", 3)
    app.wait_for(1, "begun")
    app.kill(worker)
    again = app.worker("--pool=threads", "--concurrency=2")
    app.wait_for(101)
    until(lambda: settled(broker), what="everything is acknowledged")
    listed = subprocess.run([*pip(environment), "list"], capture_output=True, text=True).stdout.split()

    assert set(app.runs().values()) == {1}
    assert "1 node online" in status.stdout, status.stderr
    assert not {"wasmtime", "flower", "typer", "cryptography"} & {name.lower() for name in listed}
    assert app.stop(again) == 0
