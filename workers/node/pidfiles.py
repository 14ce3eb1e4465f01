"""Pidfiles of a data folder: a lock that ends with the process that holds it, and a JSON record for other processes.

The record says which process it is and where to reach it.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from wasmfleet.workers.node import liveness, private_files

PATIENCE_S: Final = 3.0
_POLL_S: Final = 0.05


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A running process. Its start time, in the kernel's ticks, tells it from a later process with the same pid."""

    pid: int
    started_ticks: int

    @classmethod
    def of_this_process(cls, **more: object) -> Self:
        pid = os.getpid()
        return msgspec.convert({"pid": pid, "started_ticks": _started_ticks(pid), **more}, cls)


R = TypeVar("R", bound=Record)


def lock(path: Path, record: Path) -> int | None:
    """Take a lock and return the descriptor of the open file that holds it; None where a live process has the lock.

    A locked file whose record names no live process belongs to one that is just ending. This waits up to
    `PATIENCE_S` seconds for that.
    """
    private_files.folder(path.parent)
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise private_files.unusable(path.parent, error) from None
    deadline = time.monotonic() + PATIENCE_S
    while not _try_lock(held):
        if owner(record, Record) or time.monotonic() > deadline:
            os.close(held)
            return None
        time.sleep(_POLL_S)
    return held


def publish(path: Path, record: Record) -> None:
    """Write a record, whole or not at all. Raises SettingsError where the folder cannot be written."""
    try:
        private_files.write(path, msgspec.json.encode(record))
    except OSError as error:
        raise private_files.unusable(path.parent, error) from None


def owner(path: Path, kind: type[R]) -> R | None:
    """Read a record whose process is alive; None where there is none. Raises NotPrivate as `last`."""
    record = last(path, kind)
    return record if record and liveness.is_running(record.pid, record.started_ticks) else None


def last(path: Path, kind: type[R]) -> R | None:
    """Read a record, whether its process is alive or not. Raises NotPrivate where another user may have written it."""
    try:
        return msgspec.json.decode(private_files.read(path), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _try_lock(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _started_ticks(pid: int) -> int:
    """Return when a process started, in the kernel's ticks; liveness.UNKNOWN where that cannot be read."""
    try:
        return liveness.started_ticks(pid)
    except OSError:
        return liveness.UNKNOWN
