"""Private files: files and folders that no other user of this machine may change, and secrets that none may read.

This is the one place that makes and checks them. Root is not counted as another user: it may change everything anyway.
"""

import contextlib
import os
import pwd
import secrets
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import SettingsError

_WRITE: Final = 0o022
_READ: Final = 0o055
_OWN_FILE: Final = 0o600
_OWN_FOLDER: Final = 0o700


class NotPrivate(SettingsError):
    """Another user may change, or read, what only this user should. `mend` says which command to run."""

    def __init__(self, finding: str, mend: str) -> None:
        super().__init__(f"{finding}; {mend}")
        self.finding, self.mend = finding, mend


class Unusable(SettingsError):
    """This user cannot read or write a file that is needed."""


def folder(path: Path) -> Path:
    """Make a folder with mode 0700 where there is none, check it, and return it.

    Raises NotPrivate, or Unusable where this user cannot write in it.
    """
    try:
        _make(path)
        check(path)
    except OSError as error:
        raise unusable(path, error) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise unusable(path, PermissionError(0, "it is read-only"))
    return path


def check(path: Path, *, secret: bool = False) -> None:
    """Raise NotPrivate where another user may write to this file or folder or, if it is a `secret`, read it.

    Raises OSError where it cannot be examined.
    """
    _check_owner_and_mode(path, path.stat(), secret=secret)
    _check_above(path)


def read(path: Path, *, secret: bool = False) -> bytes:
    """Read a file that `opened` accepts. Raises NotPrivate or OSError."""
    with opened(path, secret=secret) as descriptor:
        return content(descriptor)


def content(descriptor: int) -> bytes:
    """Read all that an open file holds, and leave it open."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read()


@contextlib.contextmanager
def opened(path: Path, *, secret: bool = False) -> Iterator[int]:
    """Open a file for reading, then check it. Nobody can replace the file between the two.

    Raises NotPrivate, or OSError where it cannot be opened.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotPrivate(f"{path} is no regular file", "put a file there")
        _check_owner_and_mode(path, found, secret=secret)
        _check_above(path)
        yield descriptor
    finally:
        os.close(descriptor)


def secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the secret in a file of mode 0600, and make the file where there is none.

    Where several processes make it at the same time, all get the same one. Raises NotPrivate or Unusable.
    """
    try:
        return _not_empty(path)
    except FileNotFoundError:
        folder(path.parent)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    try:
        with _written(path, make()) as partial, contextlib.suppress(FileExistsError):
            path.hardlink_to(partial)  # unlike a rename, this never replaces a file that is there
        return _not_empty(path)
    except OSError as error:
        raise unusable(path.parent, error) from None


def write(path: Path, text: bytes) -> None:
    """Write a file of mode 0600, all of it or nothing, even if this process or the machine dies meanwhile."""
    with _written(path, text) as partial:
        partial.replace(path)


def create(path: Path) -> None:
    """Make an empty file of mode 0600 where there is none, and check the one that is there. Raises NotPrivate, OSError.

    It never opens a file that exists: closing any descriptor of a file makes this process lose SQLite's locks on it.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWN_FILE))
    except FileExistsError:
        check(path)


def unusable(path: Path, error: OSError) -> Unusable:
    """Make the error for a folder of the data folder in which this user cannot write."""
    return Unusable(
        f"WASMFLEET_DATA_DIR: cannot write in {path} ({error.strerror}); give a folder that this user may write in"
    )


def _make(folder: Path) -> None:
    """Make a folder and the missing ones above it, all with mode 0700, unlike `mkdir(parents=True)`."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(mode=_OWN_FOLDER, exist_ok=True)


def _not_empty(path: Path) -> bytes:
    found = read(path, secret=True)
    if not found:
        raise NotPrivate(f"the secret in {path} is empty", f"run `rm {_quoted(path)}`; a new one is made")
    return found


@contextlib.contextmanager
def _written(path: Path, text: bytes) -> Iterator[Path]:
    """Make a temporary file beside `path` with this content, flushed to the disk, and remove its name afterwards."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWN_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _check_owner_and_mode(path: Path, found: os.stat_result, *, secret: bool) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        mine, owner = _name(os.geteuid()), _name(found.st_uid)
        raise NotPrivate(
            f"{path} belongs to the user {owner}, and this process runs as {mine}",
            f"run `chown {mine} {_quoted(path)}` if you trust what {owner} wrote, or work as {owner}",
        )
    mode = stat.S_IMODE(found.st_mode)
    if secret and mode & (_WRITE | _READ):
        raise NotPrivate(
            f"{path} is a secret that others can read or change (mode {mode:04o})",
            f"run `chmod 600 {_quoted(path)}`",
        )
    if mode & _WRITE:
        raise NotPrivate(f"others can write to {path} (mode {mode:04o})", f"run `chmod go-w {_quoted(path)}`")


def _check_above(path: Path) -> None:
    """Raise NotPrivate where everybody can write in a folder above: they could replace what is below it.

    The sticky bit forbids that. A folder above that a group may write in is accepted: groups are set up on purpose,
    and a umask of 002 is usual. So is one that belongs to another user, as in many containers: whoever put the data
    there chose that.
    """
    for above in _above(path):
        mode = stat.S_IMODE(above.stat().st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise NotPrivate(
                f"everybody can write in {above}, and so replace {path}", f"run `chmod o-w {_quoted(above)}`"
            )


def _above(path: Path) -> Iterable[Path]:
    """List the folders above a path, as it is written and with all its links resolved."""
    return dict.fromkeys([*path.absolute().parents, *path.resolve().parents])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
