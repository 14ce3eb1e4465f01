"""Who runs in a data folder: a lock that dies with its holder, and a JSON record that others read."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from wasmfleet.config.settings import SettingsError
from wasmfleet.workers import liveness

PATIENCE_S: Final = 3.0
_POLL_S: Final = 0.05


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A process as others find it. The start ticks tell it from a later one with the same pid."""

    pid: int
    started_ticks: int

    @classmethod
    def of_this_process(cls, **more: object) -> Self:
        pid = os.getpid()
        return msgspec.convert({"pid": pid, "started_ticks": _started_ticks(pid), **more}, cls)


R = TypeVar("R", bound=Record)


def private_folder(path: Path) -> Path:
    """The folder, made if need be, writable by this process."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unusable(path, PermissionError(0, "it is read-only"))
    return path


def lock(path: Path, record: Path) -> int | None:
    """An open file that holds the lock, or None when a live process holds it.

    A lock without a live owner in its record belongs to something that is just ending: wait for it.
    """
    private_folder(path.parent)
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path.parent, error) from None
    deadline = time.monotonic() + PATIENCE_S
    while not _try_lock(held):
        if owner(record, Record) or time.monotonic() > deadline:
            os.close(held)
            return None
        time.sleep(_POLL_S)
    return held


def publish(path: Path, record: Record) -> None:
    """Write the record, whole or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        partial.write_bytes(msgspec.json.encode(record))
        partial.replace(path)
    except OSError as error:
        raise _unusable(path.parent, error) from None


def owner(path: Path, kind: type[R]) -> R | None:
    """The record, when its process is alive."""
    record = last(path, kind)
    return record if record and _started_ticks(record.pid) == record.started_ticks else None


def last(path: Path, kind: type[R]) -> R | None:
    """The record, whether its process is alive or not."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _try_lock(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _started_ticks(pid: int) -> int:
    """When the process started, in the kernel's ticks; -1 for one that is gone or a zombie."""
    try:
        return liveness.started_ticks(pid)
    except OSError:
        return -1


def _unusable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"WASMFLEET_DATA_DIR: cannot write in {path} ({error.strerror}); give a folder that this user may write in"
    )
