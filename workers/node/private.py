"""Files and folders that nobody else on this machine may change, and secrets that nobody else may read.

The one place that makes and checks them. Root counts as nobody else: root may change everything anyway.
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
    """Somebody else may change, or read, what only this user should. `mend` says which command to run."""

    def __init__(self, finding: str, mend: str) -> None:
        super().__init__(f"{finding}; {mend}")
        self.finding, self.mend = finding, mend


class Unusable(SettingsError):
    """This user cannot read or write what is needed."""


def folder(path: Path) -> Path:
    """Make the folder if need be, with mode 0700. Raises NotPrivate, or Unusable where this user cannot write."""
    try:
        _make(path)
        check(path)
    except OSError as error:
        raise unusable(path, error) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise unusable(path, PermissionError(0, "it is read-only"))
    return path


def check(path: Path, *, secret: bool = False) -> None:
    """Raise NotPrivate where another user may write to this file or folder, or may read a `secret`."""
    _check_owner_and_mode(path, path.stat(), secret=secret)
    _check_above(path)


def read(path: Path, *, secret: bool = False) -> bytes:
    """The content of a file that `opened` accepts. Raises NotPrivate or OSError."""
    with opened(path, secret=secret) as descriptor:
        return content(descriptor)


def content(descriptor: int) -> bytes:
    """All that an open file holds."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read()


@contextlib.contextmanager
def opened(path: Path, *, secret: bool = False) -> Iterator[int]:
    """Open a file for reading. What is checked is the open file, so that no link can exchange it in between.

    Raises NotPrivate, or OSError where it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for its writer
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
    """The secret in a file of mode 0600, made in its folder where there is none yet; of several makers one wins.

    Raises NotPrivate or Unusable.
    """
    try:
        return _not_empty(path)
    except FileNotFoundError:
        folder(path.parent)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    try:
        with _written(path, make()) as partial, contextlib.suppress(FileExistsError):
            path.hardlink_to(partial)  # never replaces one that is there, as renaming would
        return _not_empty(path)
    except OSError as error:
        raise unusable(path.parent, error) from None


def write(path: Path, text: bytes) -> None:
    """Write a file of mode 0600, all of it or nothing, whatever dies meanwhile."""
    with _written(path, text) as partial:
        partial.replace(path)


def create(path: Path) -> None:
    """Make an empty file of mode 0600 where there is none, and check the one that is there. Raises NotPrivate, OSError.

    It opens no file that exists: SQLite loses its locks on a file when any descriptor of it in this process is closed.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWN_FILE))
    except FileExistsError:
        check(path)


def unusable(path: Path, error: OSError) -> Unusable:
    return Unusable(
        f"WASMFLEET_DATA_DIR: cannot write in {path} ({error.strerror}); give a folder that this user may write in"
    )


def _make(folder: Path) -> None:
    """The folder and those above it that are missing; `mkdir(parents=True)` gives those the usual mode."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(mode=_OWN_FOLDER, exist_ok=True)


def _not_empty(path: Path) -> bytes:
    found = read(path, secret=True)
    if not found:
        raise NotPrivate(f"the secret in {path} is empty", f"run `rm {_quoted(path)}`; it is made anew")
    return found


@contextlib.contextmanager
def _written(path: Path, text: bytes) -> Iterator[Path]:
    """A new file beside `path`, on the disk; what is left under its name goes."""
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
            f"run `chown {mine} {_quoted(path)}` if nothing that {owner} wrote can harm, or work as {owner}",
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
    """Who may write in a folder above can exchange what is below it, unless its sticky bit forbids that.

    Groups are let through: they are given on purpose, and a umask of 002 is usual. So is a folder above that belongs
    to another user, as in many containers: whoever put the data there has chosen so.
    """
    for above in _above(path):
        mode = stat.S_IMODE(above.stat().st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise NotPrivate(
                f"everybody can write in {above}, and so exchange {path}", f"run `chmod o-w {_quoted(above)}`"
            )


def _above(path: Path) -> Iterable[Path]:
    """The folders above a path, as it is written and as its links lead."""
    return dict.fromkeys([*path.absolute().parents, *path.resolve().parents])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
