"""The fleet under attack: one accelerated and one plain-Python worker, reached through the broker as by an attacker."""

import base64
import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from redis import Redis

from tests.acceptance.installation import until
from tests.attack import wire
from tests.attack.processes import Watch
from tests.attack.seeds import lists
from tests.chaos.fleet import ChaosFleet, children, kill_group

MEMORY_LIMIT_MIB: Final = 128
TIME_LIMIT_S: Final = 2
QUARANTINE: Final = "wasmfleet:quarantine"
_ROLES: Final = ("wasm", "python")
_OURS: Final = ("celery-task*", "wasmfleet:*", "unacked*", "_wasmfleet*", "_kombu*", "*pidbox*")
_GOOD_S: Final = 10.0
_RIGHT: Final = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of abc


class Target:
    """A fleet and its pids. The attack does to it only what anybody with access to the broker could do."""

    def __init__(self, fleet: ChaosFleet) -> None:
        self.fleet = fleet
        self.watch = Watch()
        self.mains: dict[int, str] = {}
        self._read: dict[Path, int] = {}

    @staticmethod
    def settings(folder: Path) -> dict[str, str]:
        """Return the settings of a fleet under attack, and write a keyring with one key for `crypto`."""
        ring = folder / "keys.json"
        ring.write_text(json.dumps({"k": base64.b64encode(b"k" * 32).decode()}))
        ring.chmod(0o600)
        limits = {"MEMORY_LIMIT": str(MEMORY_LIMIT_MIB), "TIME_LIMIT": str(TIME_LIMIT_S)}
        return limits | {"KEYRING": str(ring)}

    def start(self) -> None:
        """Start both workers, and wait for their heartbeats and children."""
        self.mains = {self.fleet.start(role): role for role in _ROLES}
        until(lambda: self.living() == set(self.mains), seconds=60, what="heartbeats", log=self.fleet.output)
        until(lambda: all(children(pid) for pid in self.mains), what="children")
        self.watch.begin(tuple(self.mains))

    def renew(self) -> None:
        """Kill both workers, forget everything in the broker, and start again."""
        self.watch.begin(())
        for pid in self.mains:
            kill_group(pid)
        with contextlib.suppress(Exception):
            self.forget(*_OURS, *lists())
        self.start()

    def end(self) -> None:
        self.watch.end()

    def living(self) -> set[int]:
        """Return the pids of the main processes that send heartbeats."""
        return {worker.pid for worker in self.fleet.workers()}

    def dead(self) -> list[str]:
        """Return the roles whose main process has ended."""
        return [role for pid, role in self.mains.items() if not _runs(pid)]

    @contextlib.contextmanager
    def broker(self) -> Iterator[Redis]:
        with Redis.from_url(self.fleet.url, socket_timeout=20) as connection:
            yield connection

    def send(self, messages: Sequence[wire.Sent]) -> list[wire.Sent]:
        """Put the messages into their lists, as kombu does; return those that the broker accepted."""
        with self.broker() as broker, broker.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.lpush(message.list, message.raw)
            answers = pipe.execute(raise_on_error=False)
        return [message for message, answer in zip(messages, answers, strict=True) if isinstance(answer, int)]

    def forget(self, *patterns: str) -> None:
        """Delete all keys that match one of these patterns."""
        with self.broker() as broker:
            for pattern in patterns:
                for keys in _some(broker.scan_iter(match=pattern, count=1000)):
                    broker.unlink(*keys)

    def left(self) -> dict[str, list[bytes]]:
        """Return the messages that are queued, by list, and under `held` those that workers hold, except future ones.

        A worker rightly holds a message until the future time that its sender named. One that waits for a sandbox has
        its time from a worker, and will be answered soon.
        """
        names = lists()
        with (
            self.broker() as broker,
            broker.pipeline() as pipe,
        ):  # in one step: messages move from one to another
            for name in names:
                pipe.lrange(name, 0, -1)
            *found, held = pipe.hvals("unacked").execute(raise_on_error=False)
        queued = {
            name: [raw for raw in messages if not wire.may_be_left(name, raw)]
            for name, messages in zip(names, found, strict=True)
            if isinstance(messages, list)
        }
        taken = [_held(entry) for entry in held] if isinstance(held, list) else []
        queued["held"] = [
            raw for raw in taken if wire.waits_for_a_sandbox(raw) or not wire.waits_until_later(raw)
        ]
        return {name: messages for name, messages in queued.items() if messages}

    def quarantine(self) -> dict[str, bytes]:
        """Return the entries of the quarantine by their field, which is an id or a delivery tag."""
        with self.broker() as broker:
            entries: dict[bytes, bytes] = broker.hgetall(QUARANTINE)
        return {field.decode(errors="replace"): entry for field, entry in entries.items()}

    def results(self, ids: Sequence[str]) -> list[bool]:
        """Return for each of these ids whether a result is stored."""
        with self.broker() as broker, broker.pipeline(transaction=False) as pipe:
            for id in ids:
                pipe.exists(f"celery-task-meta-{id}")
            return [bool(found) for found in pipe.execute()]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the log's rows of the calls with these ids."""
        found: list[dict[str, Any]] = []
        for at in range(0, len(ids), 500):
            found += self.fleet.rows(*ids[at : at + 500])
        return found

    def good_call_s(self, lane: str) -> float:
        """Return how many seconds a right call takes in a lane; infinity if its result is wrong or later than 10 s."""
        id, tag = str(uuid.uuid4()), str(uuid.uuid4())
        body = json.dumps([[], {"data": {"__type__": "bytes", "__value__": "abc"}}, {}])
        message = {
            "body": body,
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"task": "wasmfleet.digest.digest", "id": id},
            "properties": {"delivery_tag": tag, "delivery_info": {}, "correlation_id": id},
        }
        began = time.monotonic()
        with self.broker() as broker:
            broker.lpush(f"wasmfleet.{lane}", json.dumps(message))
            while (took := time.monotonic() - began) < _GOOD_S:
                if answer := broker.get(f"celery-task-meta-{id}"):
                    return took if _is_right(answer) else float("inf")
                time.sleep(0.02)
        return float("inf")

    def new_output(self) -> str:
        """Return what the fleet's processes printed since the last time this was called."""
        parts = []
        for path in sorted(self.fleet.folder.glob("*.log")):
            with path.open("rb") as log:
                log.seek(self._read.get(path, 0))
                parts.append(log.read().decode(errors="replace"))
                self._read[path] = log.tell()
        return "\n".join(parts)


def _runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _held(entry: bytes) -> bytes:
    """Return the message in an entry of `unacked`, or the whole entry if it cannot be read."""
    try:
        message = json.loads(entry)[0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return entry
    return (message if isinstance(message, str) else json.dumps(message)).encode(errors="replace")


def _is_right(answer: bytes) -> bool:
    with contextlib.suppress(ValueError, AttributeError):
        return bool(json.loads(answer).get("result") == _RIGHT)
    return False


def _some(keys: Iterator[Any]) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    for key in keys:
        waiting.append(key)
        if len(waiting) == 500:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
