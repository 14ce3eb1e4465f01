"""Fixtures of the acceptance tests: a fleet started by `wasmfleet up`, and one that misbehaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from tests import lifeline
from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from tests.conftest import share_compiled_modules
from tests.ports import free_port


@dataclass(frozen=True)
class CommandLine:
    """The command `wasmfleet`, with its own environment and working folder."""

    folder: Path
    environment: dict[str, str]

    def with_settings(self, **settings: str) -> "CommandLine":
        own = {f"WASMFLEET_{name}": value for name, value in settings.items()}
        return CommandLine(self.folder, self.environment | own)

    def run(self, *words: str | Path, before: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        command = [*before, sys.executable, "-m", "wasmfleet", *words]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def start(self, *words: str | Path, log: Path) -> "subprocess.Popen[bytes]":
        # A shell makes its background jobs ignore SIGINT, and their children inherit that. Without `env`,
        # Ctrl-C would have no effect when the tests themselves run in the background.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "wasmfleet", *words]
        with log.open("wb") as output:
            return lifeline.start(
                command, env=self.environment, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT
            )


def command_line(folder: Path) -> CommandLine:
    """Make a command line with its own data folder and ports, and the modules compiled for all tests."""
    share_compiled_modules(folder / "data")
    own = {
        "WASMFLEET_DATA_DIR": str(folder / "data"),
        "WASMFLEET_BROKER_PORT": str(free_port()),
        "WASMFLEET_FLOWER_PORT": str(free_port()),
        "WASMFLEET_CONCURRENCY": "1",
    }
    return CommandLine(folder, os.environ | own)


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """A command line without a fleet."""
    return command_line(tmp_path)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line of a running `wasmfleet up`."""
    folder = tmp_path_factory.mktemp("fleet")
    made, log = command_line(folder), folder / "up.log"
    process = made.start("up", log=log)
    try:
        until(lambda: "the fleet is up" in log.read_text(), seconds=60, what=f"{log} says that it is up")
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        lifeline.end(process)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    """An installation with operations that misbehave, whose broker runs."""
    with chaos_fleet(tmp_path_factory.mktemp("serving")) as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        yield made


@pytest.fixture
def misbehaving(serving: ChaosFleet) -> Iterator[ChaosFleet]:
    """The installation `serving`, reset after each test: no workers, an empty broker, the usual settings."""
    usual = dict(serving.environment)
    yield serving
    serving.environment = usual
    serving.stop(keep="broker")
    with Redis.from_url(serving.admin_url) as administrator:
        administrator.flushall()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with valid and invalid sources, ignored ones, and a file of no known language."""
    files = {
        "good.ts": "export const a: number = 1;\n",
        "broken.js": "let a = 1;\n\tlet ü = (a + ;\n",
        "twice.mjs": "let a;\nlet a;\n",
        "ignored.min.js": "x(",
        "node_modules/package/index.js": "x(",
        "sub/kept.min.js": "ok();\n",
        "sub/deep/no.txt": "x(",
        ".gitignore": "*.min.js\n",
        "sub/.gitignore": "!kept.min.js\n",
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "tree"


def one_line(text: str) -> str:
    """Return the text after checking that it is a single line, as `wasmfleet` prints an error."""
    [line] = text.splitlines()
    assert line.startswith("wasmfleet: ")
    return line
