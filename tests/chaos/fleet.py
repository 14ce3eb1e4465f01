"""An installation for tests that break it: it publishes calls, and counts their executions in the log."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.acceptance.installation import Installation, installation, until
from wasmfleet.config.celery import lane_queues
from wasmfleet.config.settings import Settings

_PUBLISH = """
import json, sys, time
from wasmfleet.workers.calls.catalogue import find
count, name, arguments, options = json.load(sys.stdin)
operation, ids = find(name), []
for _ in range(count):
    ids.append(operation.apply_async(kwargs=arguments, **options).id)
print(json.dumps(ids))
"""
_PUBLISH_WHAT_IT_CAN = """
import json, sys
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.errors import BrokerUnavailable
count, name, arguments, options = json.load(sys.stdin)
operation, ids, refused = find(name), [], 0
for _ in range(count):
    try:
        ids.append(operation.apply_async(kwargs=arguments, **options).id)
    except BrokerUnavailable:
        refused += 1
print(json.dumps([ids, refused]))
"""
_PUBLISH_AT_ONCE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from wasmfleet.workers.calls.catalogue import find
count, name, arguments = json.load(sys.stdin)
operation = find(name)
with ThreadPoolExecutor(16) as pool:
    sent = pool.map(lambda _: operation.apply_async(kwargs=arguments).id, range(count))
print(json.dumps(list(sent)))
"""


class ChaosFleet(Installation):
    """An installation with the misbehaving operations of operations.py."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        shutil.copy(Path(__file__).with_name("operations.py"), self.package / "tasks" / "chaos.py")

    def publish(
        self, count: int, operation: str, *, lane: str = "python", priority: int = 0, **arguments: Any
    ) -> list[str]:
        """Publish calls with `.apply_async()` from a separate process, and return their ids."""
        wanted = [count, operation, arguments, {"lane": lane, "priority": priority}]
        ids: list[str] = json.loads(self.run(_PUBLISH, wanted))
        return ids

    def publish_what_it_can(
        self, count: int, operation: str, *, lane: str = "python", **arguments: Any
    ) -> tuple[list[str], int]:
        """Publish calls, and go on when the broker refuses one; return the ids and the number of refusals."""
        wanted = [count, operation, arguments, {"lane": lane}]
        ids, refused = json.loads(self.run(_PUBLISH_WHAT_IT_CAN, wanted))
        return ids, refused

    def publish_at_once(self, count: int, operation: str, **arguments: Any) -> list[str]:
        """Publish calls to the lane any from 16 threads at once, and return their ids."""
        ids: list[str] = json.loads(self.run(_PUBLISH_AT_ONCE, [count, operation, arguments]))
        return ids

    def run(self, code: str, given: Any = None) -> str:
        """Run a Python program here with `given` as JSON on stdin, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(given),
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
        return done.stdout

    @property
    def port(self) -> int:
        """The broker's port."""
        return int(self.environment["WASMFLEET_BROKER_PORT"])

    def answers(self) -> bool:
        """Tell whether the broker answers."""
        with contextlib.suppress(RedisError), Redis.from_url(self.url) as connection:
            return bool(connection.ping())
        return False

    def start_worker(self, role: str) -> int:
        """Start a worker, wait for its first heartbeat, and return its pid."""
        pid = self.start(role)
        until(lambda: pid in {worker.pid for worker in self.workers()}, what="heartbeat", log=self.output)
        return pid

    def start_with(self, role: str, environment: dict[str, str]) -> int:
        """Start a process with these additional variables in its environment, and return its pid."""
        usual = self.environment
        self.environment = usual | environment
        try:
            return self.start(role)
        finally:
            self.environment = usual

    def use_broker(self, other: "ChaosFleet") -> None:
        """Make this installation use the other one's broker, as one of several nodes does."""
        self.url = other.url
        self.environment["WASMFLEET_BROKER_URL"] = f"wasmfleet+{other.url}"

    def stop_worker(self) -> None:
        """Ask this installation's only worker to end, and wait until it has."""
        [pid] = [worker.pid for worker in self.workers() if worker.pid in self._pids()]
        os.kill(pid, signal.SIGTERM)
        self.wait(pid, 30)

    def _pids(self) -> set[int]:
        return {process.pid for process in self._processes.values()}

    def answered(self, ids: Sequence[str]) -> int:
        """Return how many of these calls have a result."""
        with Redis.from_url(self.url) as connection:
            return sum(connection.exists(f"celery-task-meta-{id}") for id in ids)

    def batch(
        self, operation: str, calls: list[dict[str, Any]], *, timeout: float, queue: str = "wasmfleet.python"
    ) -> list[Any]:
        """Send a batch as one message, and return its answers."""
        task = self.client().signature("wasmfleet.batch", args=(operation, calls), queue=queue)
        answers: list[Any] = task.apply_async().get(timeout=timeout)
        return answers

    def set_aside(self) -> int:
        """Return how many messages are in the quarantine, without the cost of the command that lists them."""
        with Redis.from_url(self.url) as connection:
            return int(connection.hlen("wasmfleet:quarantine"))

    def quarantine(self) -> list[dict[str, Any]]:
        """Return the entries that `wasmfleet quarantine list` prints."""
        listed = self.command("quarantine", "list", "--format", "json")
        listed.check_returncode()
        entries: list[dict[str, Any]] = json.loads(listed.stdout)
        return entries

    def child_running(self, task_id: str) -> int:
        """Return the pid of the child that runs a task, as its worker reports it."""
        [pid] = [task["worker_pid"] for task in self.active() if task["id"] == task_id]
        return int(pid)

    def active(self) -> list[dict[str, Any]]:
        """Return the running tasks, as the workers report them."""
        client = self.client()
        if "amqp" in (url := self.environment.get("WASMFLEET_BROKER_URL", "")):
            client.conf.broker_url = url
        client.conf.accept_content = ["json", "msgpack"]
        answers: dict[str, Any] = {}
        with contextlib.suppress(OSError):  # a broker that has only just started may reset a connection
            answers = client.control.inspect(timeout=2, limit=len(self.workers()) or None).active() or {}
        return [task for tasks in answers.values() for task in tasks]

    def executions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how often each of these calls has run, by the log; calls without a row are missing."""
        rows = self.read("SELECT task_id, executions FROM results")
        wanted = set(ids)
        return {id: count for id, count in rows if id in wanted}

    def read(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        path = self.data / "results.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as log:
            try:
                return log.execute(query, parameters).fetchall()
            except sqlite3.OperationalError:  # the table does not exist yet
                return []

    def logged(self) -> int:
        rows = self.read("SELECT count(*) FROM results")
        return rows[0][0] if rows else 0

    def settle(self, ids: Sequence[str], *, seconds: float = 120) -> dict[str, int]:
        """Wait, for `seconds` at most, until each call has a row; return how often each has run by then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and len(self.executions(ids)) < len(ids):
            time.sleep(0.1)
        return self.executions(ids)

    def tally(self, ids: Sequence[str], runs: dict[str, int]) -> dict[str, int]:
        """Count the published calls that have no row, and the executions beyond the first of each call."""
        return {"lost": len(ids) - len(runs), "duplicates": sum(runs.values()) - len(runs)}

    def stranded(self) -> int:
        """Return how many messages are queued or held; a test expects none at its end."""
        with Redis.from_url(self.url) as connection:
            queued = sum(connection.llen(queue) for queue in lane_queues(Settings()))
            return int(queued + connection.hlen("unacked"))

    def held(self) -> int:
        with Redis.from_url(self.url) as connection:
            return int(connection.hlen("unacked"))

    def queued(self) -> int:
        return self.stranded() - self.held()

    def nothing_is_held(self) -> None:
        try:
            until(lambda: self.stranded() == 0, seconds=30)
        except AssertionError:
            left = f"{self.queued()} are queued, {self.held()} held, {self.active()} run"
            raise AssertionError(f"after 30 s: {left}\n{self.output()}") from None


def kill_group(pid: int) -> None:
    """Kill a worker with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the children of a worker's pool, oldest first, without a compiler or a trial of the modules."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    found = sorted(int(child) for task in tasks for child in task.read_text().split())
    return [child for child in found if not _is_other_program(child)]


def _is_other_program(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"wasmfleet.workers.runtime." in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


chaos_fleet = partial(installation, kind=ChaosFleet)
