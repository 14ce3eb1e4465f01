"""A stock Celery app in a folder of its own, with its worker, its beat and its commands as processes.

with stock(tmp_path, url) as neighbour:
    neighbour.start_worker()
    neighbour.command("status")
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery

from tests import lifeline
from tests.acceptance.installation import until

#: Its queue, unless another one is asked for: a worker of `celery` would discard the fleet's calls that come there.
QUEUE = "stock"
_TROUBLE = re.compile(r"^.{0,60}(Traceback \(most|\b(ERROR|CRITICAL)\b)")


class Neighbour:
    """A stock app and its processes. They see no variable and no module of Wasmfleet."""

    def __init__(
        self,
        folder: Path,
        broker: str,
        backend: str | None = None,
        *,
        app: str = "stock_app",
        **environment: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name(f"{app}.py"), folder)
        self.folder, self.broker, self.backend, self.app = folder, broker, backend or broker, app
        self._notes = folder / "notes.txt"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WASMFLEET_", "PYTHON", "CELERY_"))
        } | {
            "STOCK_BROKER": self.broker,
            "STOCK_BACKEND": self.backend,
            "STOCK_NOTES": str(self._notes),
            "PYTHONPATH": str(folder),
            **environment,
        }
        self._numbers = itertools.count()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_worker(self, *words: str, queues: str = QUEUE, concurrency: int = 1) -> str:
        """Start a worker, wait until it is ready, and return its name; `words` are for `celery worker`."""
        name = f"stock{next(self._numbers)}@neighbour"
        chosen = (f"--hostname={name}", f"--queues={queues}", f"--concurrency={concurrency}")
        process = self.start("worker", "--loglevel=INFO", *chosen, *words, log=name)

        def settled() -> bool:
            return f"{name} ready." in self.output(name) or process.poll() is not None

        until(settled, seconds=60, what="it is ready", log=self.output)
        assert process.poll() is None, self.output()
        return name

    def start(self, *words: str, log: str) -> "subprocess.Popen[bytes]":
        """Start `celery -A APP` with these words; its output goes to the log of this name."""
        with self._log(log).open("wb") as output:
            process = lifeline.start(
                self._celery(*words),
                env=self.environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes[log] = process
        return process

    def command(self, *words: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run `celery -A APP` with these words to its end."""
        return subprocess.run(
            self._celery(*words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def run(self, code: str, given: Any = None, *, seconds: float = 120) -> Any:
        """Run a program beside the app, with `given` as JSON on stdin; return what it prints, read as JSON."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(given),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.output()}"
        return json.loads(done.stdout)

    def client(self) -> celery.Celery:
        """Make a client in this process, which knows tasks by name only and sends them to the stock worker's queue."""
        made = celery.Celery(broker=self.broker, backend=self.backend, set_as_current=False)
        made.conf.task_default_queue = QUEUE
        return made

    def stop(self, log: str, *, how: signal.Signals = signal.SIGTERM) -> int:
        """End a process, and return its exit status."""
        process = self._processes[log]
        process.send_signal(how)
        status = process.wait(60)
        lifeline.end(self._processes.pop(log))
        return status

    def notes(self) -> list[str]:
        """Return the lines that the task `note` has written."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def output(self, log: str | None = None) -> str:
        """Return what a process has printed, or what all have."""
        logs = [self._log(log)] if log else sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}" for path in logs)

    def troubles(self) -> list[str]:
        """Return the lines of the stock processes' logs that tell of trouble."""
        return troubles(self.output())

    def close(self) -> None:
        """Kill every process."""
        for log in list(self._processes):
            lifeline.end(self._processes.pop(log))

    def _celery(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", self.app, *words]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def troubles(log: str) -> list[str]:
    """Return the lines of a log, a stock worker's or one of the fleet's, whose level or form tells of trouble."""
    return [line for line in log.splitlines() if _TROUBLE.match(line)]


@contextlib.contextmanager
def stock(
    folder: Path, broker: str, backend: str | None = None, *, app: str = "stock_app", **environment: str
) -> Iterator[Neighbour]:
    """Make a stock app in a folder, for the broker at a URL that plain Celery reads; end its processes afterwards.

    `app` names the file here that it is made of; `environment` is added to that of its processes.
    """
    made = Neighbour(folder, broker, backend, app=app, **environment)
    try:
        yield made
    finally:
        made.close()
