"""The cost of a fleet that has nothing to do, started as `make run` starts it: CPU and commands of each process.

CPU is read from /proc. Commands are counted by the broker's MONITOR, by a user of its own, after the CPU was measured:
watching costs the broker time. Commands that a script runs in the server are not counted, for no client sends them.
"""

import collections
import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from wasmfleet.workers.fleet_state import heartbeats

CPU_S: Final = 30.0
COMMANDS_S: Final = 20.0
_START_S: Final = 180.0
_SETTLE_S: Final = (
    15.0  # modules are read twice before their files count as unchanged; Flower asks much at first
)
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_COMMANDS: Final = {
    "broker": "valkey-server",
    "Flower": "wasmfleet.workers.node.flower",
    "accelerated worker": "--hostname=wasm-",
    "plain-Python worker": "--hostname=python-",
    "supervisor": "wasmfleet up",
}
_MONITORED: Final = re.compile(rb"\+?[0-9.]+ \[[0-9]+ (?:\[::1\]|127\.0\.0\.1):([0-9]+)\] ")


class Process(msgspec.Struct, frozen=True):
    """A process of the fleet: its pid, and what it is."""

    pid: int
    what: str


def idle(cpu_s: float = CPU_S, commands_s: float = COMMANDS_S) -> dict[str, dict[str, float]]:
    """Start a fleet and measure each of its processes for so many seconds.

    Returns, by process, `cpu_percent` of one core and `commands_a_second`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="wasmfleet-idle-") as folder,
        _fleet(Path(folder)) as (up, broker),
    ):
        time.sleep(_SETTLE_S)
        processes = list(_processes(up))
        before, began = _cpu_s(processes), time.monotonic()
        time.sleep(cpu_s)
        taken, spent_s = _cpu_s(processes), time.monotonic() - began
        sent = commands_of(broker, commands_s, {one.pid for one in processes})
    figures: dict[str, dict[str, float]] = {}
    for one in processes:
        of = figures.setdefault(one.what, {"cpu_percent": 0.0, "commands_a_second": 0.0})
        of["cpu_percent"] += 100 * (taken[one.pid] - before[one.pid]) / spent_s
        of["commands_a_second"] += sent[one.pid] / commands_s
    return figures


@contextlib.contextmanager
def _fleet(folder: Path) -> "Iterator[tuple[int, Redis]]":
    """Run `wasmfleet up` in an empty folder; gives its pid, and a client of its broker that may watch it."""
    (folder / "broker").mkdir(mode=0o700)
    password, users = secrets.token_urlsafe(16), folder / "broker" / "users.acl"
    users.touch(0o600)
    users.write_text(f"user bench on >{password} ~* &* +@all\n")
    own = {name: text for name, text in os.environ.items() if not name.startswith("WASMFLEET_")}
    said = folder / "up.log"
    with said.open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "wasmfleet", "up"],
            env=own | {"WASMFLEET_DATA_DIR": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until(lambda: "the fleet is up" in said.read_text(), said)
        port = msgspec.json.decode((folder / "broker.json").read_bytes())["port"]
        with Redis(port=port, username="bench", password=password) as broker:
            _wait_until(lambda: _all_ready(broker), said)
            yield up.pid, broker
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait()


def _wait_until(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the fleet did not start in {_START_S:g} s:\n{log.read_text()}")
        time.sleep(0.1)


def _all_ready(broker: "Redis") -> bool:
    modules = [states for worker in heartbeats.present(broker) for states in worker.modules.values()]
    return bool(modules) and all(state == "ready" for state, _ in modules)


def _processes(up: int) -> Iterator[Process]:
    """List the supervisor and all its descendants, each with what it is; a child of a process of the same name is
    one of its children."""
    waiting = [Process(up, "supervisor")]
    while waiting:
        one = waiting.pop()
        yield one
        for pid in _children(one.pid):
            what = _what(pid) or one.what
            is_child = what == one.what
            waiting.append(Process(pid, _of_child(what) if is_child else what))


def _of_child(what: str) -> str:
    return {"supervisor": "watchdog"}.get(what, what if "children" in what else f"{what}'s children")


def _what(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((what for what, part in _COMMANDS.items() if part in words), "")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(child) for listed in found for child in listed.read_text().split())


def _cpu_s(processes: list[Process]) -> dict[int, float]:
    return {one.pid: _cpu_of(one.pid) for one in processes}


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def commands_of(broker: "Redis", seconds: float, pids: set[int]) -> "collections.Counter[int]":
    """Count the commands that each process sends in so many seconds."""
    owners = dict(_connections(pids))
    counted: collections.Counter[int] = collections.Counter()
    connection: Any = broker.connection_pool.get_connection()
    connection.send_command("MONITOR")
    connection.read_response()
    end = time.monotonic() + seconds
    while (left_s := end - time.monotonic()) > 0:
        with contextlib.suppress(RedisError):
            if connection.can_read(timeout=left_s) and (port := _port(connection.read_response())):
                if port not in owners:  # a connection that was opened meanwhile
                    owners = dict(_connections(pids)) | owners
                counted[owners.get(port, 0)] += 1
    connection.disconnect()
    return counted


def _port(line: bytes | str) -> int:
    found = _MONITORED.match(line if isinstance(line, bytes) else line.encode())
    return int(found[1]) if found else 0


def _connections(pids: set[int]) -> Iterator[tuple[int, int]]:
    """Give the local port of each TCP connection of these processes, with its pid."""
    inodes = {
        fields[9]: int(fields[1].rpartition(":")[2], 16)
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
    }
    for pid in sorted(
        pids, reverse=True
    ):  # a forked child shares its parent's: the parent, which is older, counts
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found = re.fullmatch(r"socket:\[([0-9]+)\]", str(descriptor.readlink()))
                if found and found[1] in inodes:
                    yield inodes[found[1]], pid
