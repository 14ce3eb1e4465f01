"""The processes of the stock app: workers, beat, commands.

with stock(tmp_path, url) as app:
    app.worker("--pool=threads")
    app.send("work", 1)
    app.wait_for(1)
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Celery
from celery.backends.redis import RedisBackend

from tests import lifeline
from tests.acceptance.installation import until

#: No process of a stock app may read our settings; both of these would stop one that did.
_TRAPS = {"WASMFLEET_LANE": "no lane", "WASMFLEET_CONCURRENCY": "many"}


class Stock:
    """A stock app: its options, the processes that run it, and what its tasks have noted."""

    def __init__(self, folder: Path, broker: str, python: str, **options: Any) -> None:
        shutil.copy(Path(__file__).with_name("stock_app.py"), folder)
        self.folder, self.broker, self.python, self.options = folder, broker, python, options
        self._marks = folder / "marks"
        self._marks.touch()
        backend = _backend(broker)
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WASMFLEET_", "PYTHON", "CELERY_"))
        }
        self.environment = outside | _TRAPS | {"C_FORCE_ROOT": "1"}  # the tests may run as root
        self.environment |= {"STOCK_BROKER": broker, "STOCK_BACKEND": backend}
        self.environment |= {"STOCK_OPTIONS": json.dumps(options), "STOCK_MARKS": str(self._marks)}
        self.client = Celery(broker=broker, backend=backend, set_as_current=False)
        self.client.conf.update(options)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start `celery -A stock_app` with these words in a process group of its own."""
        with self.log(len(self._processes)).open("wb") as output:
            process = lifeline.start(
                self.celery(*words), env=self.environment, cwd=self.folder, stdout=output, stderr=output
            )
        self._processes.append(process)
        return process

    def worker(self, *words: str, ready: bool = True) -> "subprocess.Popen[bytes]":
        """Start a worker, and wait until it says that it is ready."""
        number = len(self._processes)
        process = self.start("worker", "--loglevel=INFO", f"--hostname=stock{number}@here", *words)
        if ready:
            until(
                lambda: " ready." in self.log(number).read_text() or process.poll() is not None,
                seconds=60,
                what="the worker is ready",
                log=self.output,
            )
            assert process.poll() is None, self.output()
        return process

    def command(self, *words: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run `celery -A stock_app` with these words to its end."""
        return subprocess.run(
            self.celery(*words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def celery(self, *words: str) -> list[str]:
        return [self.python, "-m", "celery", "-A", "stock_app", *words]

    def send(self, task: str, *arguments: Any, **options: Any) -> Any:
        """Publish a call of a task by its name, as any client does."""
        return self.client.send_task(f"stock_app.{task}", arguments, **options)

    def marks(self, kind: str = "ran") -> list[str]:
        """What tasks have noted of this kind, in order."""
        lines = (line.split() for line in self._marks.read_text().splitlines())
        return [word for name, word, _ in lines if name == kind]

    def pids(self) -> set[str]:
        """The processes in which tasks noted something."""
        return {line.split()[2] for line in self._marks.read_text().splitlines()}

    def runs(self) -> Counter[str]:
        """How often each task ran to its end."""
        return Counter(self.marks())

    def wait_for(self, count: int, kind: str = "ran", seconds: float = 60) -> None:
        """Wait until so many different tasks have noted something of this kind."""
        until(
            lambda: len(set(self.marks(kind))) >= count,
            seconds=seconds,
            what=f"{count} tasks have {kind}",
            log=lambda: f"{sorted(self.marks(kind))}\n{self.output()}"[-20_000:],
        )

    def stop(self, process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to a process, and return how it ended."""
        process.send_signal(how)
        return process.wait(60)

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill a process and its children."""
        lifeline.end(process)

    def log(self, number: int) -> Path:
        return self.folder / f"{number}.log"

    def output(self) -> str:
        """What all processes have printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        self.client.close()
        results: Any = self.client.backend
        if isinstance(results, RedisBackend):  # Celery leaves it open
            results.result_consumer.stop()
            results.client.connection_pool.disconnect()
        for process in self._processes:
            lifeline.end(process)


def _backend(broker: str) -> str:
    """Celery's own store of results on the same server, in another database."""
    if "socket://" in broker:
        return "redis+" + broker.removeprefix("wasmfleet+").partition("?")[0]
    return broker.removeprefix("wasmfleet+").rpartition("/")[0] + "/1"


@contextlib.contextmanager
def stock(folder: Path, broker: str, python: str = sys.executable, **options: Any) -> Iterator[Stock]:
    """Make a stock app in a folder; `options` are Celery's. Its processes end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Stock(folder, broker, python, **options)
    try:
        yield made
    finally:
        made.close()
