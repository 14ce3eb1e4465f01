"""A module's file: opened without waiting, read once, remembered until it changes.

The heartbeat asks for every module's state once a second, so a file may neither hold it up nor be read each time.
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
#: A file that changed this recently may change again without a later time of change: it is read again.
_SETTLED_NS: Final = 2_000_000_000

Identity = tuple[int, ...]


class Unreadable(Exception):
    """The file is none that is read; the message says why."""


class Absent(Unreadable):
    """There is no file, or the system does not let it be read."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file's bytes are and say. `refused` is the reason why they are no module, else empty."""

    sha256: str
    refused: str
    operations: Mapping[str, Declared]
    interface: Interface


_remembered: Final[dict[Path, tuple[Identity, Contents]]] = {}


def contents(path: Path) -> Contents:
    """What a module's file says, read again only where it changed. Raises Unreadable."""
    seen = identity(path)
    known, found = _remembered.get(path, (None, None))
    if found is None or seen is None or known != seen:
        found = _parsed(code(path))
        _remembered.pop(path, None)
        if seen is not None:
            _remembered[path] = seen, found
    return found


def identity(path: Path) -> Identity | None:
    """What is another after every change of a file; nothing where there is no file, or one just changed."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NS:
            return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return None


def code(path: Path) -> bytes:
    """The bytes of a regular file of at most MOST_BYTES. Raises Unreadable, and never waits for a writer."""
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
    """At most a byte more than is allowed."""
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
