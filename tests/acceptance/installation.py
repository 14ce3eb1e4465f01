"""A separate installation that a test may break and repair, with real workers and a real broker."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import celery
import sqlite_utils
from celery.exceptions import TaskError
from redis import Redis

from tests import lifeline
from tests.conftest import compile_modules, copy_compiled_modules, share_compiled_modules
from tests.ports import free_port
from wasmfleet.config.settings import Settings
from wasmfleet.workers.fleet_state.heartbeats import Presence, present
from wasmfleet.workers.node import credentials

_SOURCE = Path(__file__).parents[2] / "src" / "wasmfleet"


def until(
    condition: Callable[[], Any],
    *,
    seconds: float = 30.0,
    what: str = "",
    log: Callable[[], str] = lambda: "",
) -> Any:
    """Wait until the condition is true and return its value.

    Fail after `seconds`, with what `log` returns at that moment.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or condition}\n{log()}")


def code_of(error: Any) -> str:
    """Return the code of an error that a Celery client without this package got."""
    assert (type(error), len(error.args)) == (TaskError, 1), repr(error)
    code, _, _ = str(error).partition(": ")
    return code


def embedded_url(data: Path, port: int) -> str:
    """Return the URL that a data folder's embedded broker will have on this port."""
    return f"redis://{credentials.login(Settings(data_dir=data))}127.0.0.1:{port}/0"


def add_administrator(data: Path, port: int) -> str:
    """Add a user with all rights to a broker that has not started yet, as the guide says; return its URL."""
    with credentials.users_file(Settings(data_dir=data)).open("x") as users:
        users.write("user administrator on >everything ~* &* +@all\n")
    Path(users.name).chmod(0o600)
    return f"redis://administrator:everything@127.0.0.1:{port}/0"


class Installation:
    """A copy of the package in a folder, a data folder, and the processes started from them."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.package = folder / "site" / "wasmfleet"
        shutil.copytree(_SOURCE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        self.data = folder / "data"
        port = free_port()
        self.url = embedded_url(self.data, port)
        self.admin_url = add_administrator(self.data, port)
        own = {f"WASMFLEET_{name}": value for name, value in settings.items()}
        self.environment = os.environ | {
            "PYTHONPATH": str(self.package.parent),
            "WASMFLEET_DATA_DIR": str(self.data),
            "WASMFLEET_BROKER_PORT": str(port),
            "WASMFLEET_FLOWER_PORT": str(free_port()),
            "WASMFLEET_CONCURRENCY": "1",
            **own,
        }
        self.folder = folder
        self._numbers = itertools.count()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        share_compiled_modules(self.data)
        if "MODULES" in settings:  # the built-in modules are compiled once for all installations
            compile_modules(self.environment)

    def own_cache(self) -> Path:
        """Replace the shared compiled modules by a copy that no other test uses, and return its folder."""
        cache = self.data / "compiled"
        cache.unlink()
        copy_compiled_modules(cache)
        return cache

    def use_broker_by(self, port: int) -> None:
        """Make this installation reach its broker by another port, for example that of a proxy."""
        self.environment["WASMFLEET_BROKER_URL"] = "wasmfleet+" + embedded_url(self.data, port)

    def start(self, role: str, *, before: tuple[str, ...] = ()) -> int:
        """Start a process of a role (`wasm`, `python`, `broker`, `flower`) and return its pid.

        `before` is a command that becomes the one after it, such as `prlimit`.
        """
        name = f"{role}-{next(self._numbers)}"
        words = ["worker", role] if role in ("wasm", "python") else [role]
        with (self.folder / f"{name}.log").open("wb") as output:
            process = lifeline.start(
                [*before, sys.executable, "-m", "wasmfleet", *words],
                env=self.environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes[name] = process
        return process.pid

    def wait(self, pid: int, seconds: float) -> int:
        """Wait for a process that is about to end, and return its exit status."""
        [process] = [process for process in self._processes.values() if process.pid == pid]
        return process.wait(seconds)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `wasmfleet` with these words in this installation's environment."""
        return subprocess.run(
            [sys.executable, "-m", "wasmfleet", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start_fleet(self, *roles: str) -> None:
        """Start the broker and a worker of each role, and wait until each worker has sent a heartbeat."""
        self.start("broker")
        for role in roles:
            self.start(role)
        until(lambda: len(self.workers()) == len(roles), what=f"heartbeats of {roles}", log=self.output)

    def workers(self) -> list[Presence]:
        with contextlib.suppress(Exception), Redis.from_url(self.url) as connection:
            return present(connection)
        return []

    def client(self) -> celery.Celery:
        """Make a Celery client without configuration, which knows operations only by name."""
        return celery.Celery(broker=self.url, backend=self.url, set_as_current=False)

    def call(self, operation: str, /, *, lane: str = "any", **arguments: Any) -> Any:
        queue = "celery" if lane == "any" else f"wasmfleet.{lane}"
        return self.client().signature(f"wasmfleet.{operation}", kwargs=arguments, queue=queue).apply_async()

    def rows(self, *task_ids: str) -> list[dict[str, Any]]:
        database = sqlite_utils.Database(self.data / "results.sqlite")
        marks = ", ".join("?" * len(task_ids))
        rows = list(database["results"].rows_where(f"task_id in ({marks})", list(task_ids)))
        database.close()
        return rows

    def output(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self.folder.glob("*.log")))

    def stop(self, *, keep: str = "") -> None:
        """Kill every process with its children, except those of the role `keep`.

        They are killed because a worker that is asked to end needs two seconds.
        """
        for name in reversed([name for name in self._processes if name.partition("-")[0] != keep]):
            lifeline.end(self._processes.pop(name))


Made = TypeVar("Made", bound=Installation)


@contextlib.contextmanager
def installation(folder: Path, kind: type[Made] = Installation, **settings: str) -> Iterator[Made]:  # type: ignore[assignment]
    """Make an installation of this kind, and end all of its processes afterwards."""
    made = kind(folder, **settings)
    try:
        yield made
    finally:
        made.stop()
