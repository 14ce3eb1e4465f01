"""A module's file, which is read once and remembered until it changes.

The heartbeat asks for every module's state each second. So a file is not read each time, and one on which opening or
reading would wait (a pipe, a device) is refused.
"""

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.runtime.binary import BadBinary, Sections
from wasmfleet.workers.runtime.interface import Interface, Unfit, check, of_binary
from wasmfleet.workers.runtime.section import Declared, declared
from wasmfleet.workers.safe_text import shown, storable

MOST_BYTES: Final = 32 << 20
#: A file that changed more recently is read each time: it may change again within one tick of the file system's clock.
_SETTLED_NS: Final = 2_000_000_000

Identity = tuple[int, ...]


class Unreadable(Exception):
    """The file cannot be a module; the message says why."""


class Absent(Unreadable):
    """There is no file, or this user may not read it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file's bytes say. `refused` is the reason why they are no module of ours, or ""."""

    sha256: str
    refused: str
    operations: Mapping[str, Declared]
    interface: Interface


_remembered: Final[dict[Path, tuple[Identity, Contents]]] = {}


def contents(path: Path) -> Contents:
    """Return what a module's file says; it is read only where it has changed. Raises Unreadable."""
    seen = identity(path)
    known, found = _remembered.get(path, (None, None))
    if found is None or seen is None or known != seen:
        found = _parsed(code(path))
        _remembered.pop(path, None)
        if seen is not None:
            _remembered[path] = seen, found
    return found


def identity(path: Path) -> Identity | None:
    """Return a value that every change of the file changes; None where there is no file, or it changed just now."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NS:
            return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return None


def rights(folder: Path) -> Identity | None:
    """Return a value that changes with a folder's owner and mode, or where another folder takes its place."""
    with contextlib.suppress(OSError):
        status = folder.stat()
        return status.st_dev, status.st_ino, status.st_mode, status.st_uid
    return None


def code(path: Path) -> bytes:
    """Return the bytes of a regular file, at most MOST_BYTES. Raises Unreadable for any other; it waits for nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            data = _read(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Absent(f"cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise Unreadable(f"is larger than {MOST_BYTES >> 20} MiB")
    return data


def _read(descriptor: int) -> bytes:
    """Read a file, but no more than a byte beyond what is allowed. Raises Unreadable."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is no regular file")
    if status.st_size > MOST_BYTES:
        raise Unreadable(f"is larger than {MOST_BYTES >> 20} MiB")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MOST_BYTES + 1)


def _parsed(data: bytes) -> Contents:
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        sections = Sections(data)
        operations = {operation.name: operation for operation in declared(sections)}
        interface = of_binary(sections)
        check(interface)
    except (BadBinary, Unfit, VersionMismatch) as error:
        return Contents(sha256, shown(storable(error)), {}, Interface((), {}))
    return Contents(sha256, "", operations, interface)
