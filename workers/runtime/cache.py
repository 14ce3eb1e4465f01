"""The compiled-ahead cache: machine code on disk, never used unless its keyed hash fits.

Wasmtime accepts almost any damaged artefact and runs it, so each is bound to the module's digest, to the
engine's fingerprint (version, configuration, CPU) and to a key that only this user can read.
"""

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wasmfleet.workers.runtime.engine import fingerprint

_TAG_BYTES: Final = 32


class CacheMiss(Exception):
    """There is nothing usable for this module; the message says why."""


class CompileFailed(Exception):
    """The module was tried and does not compile; the message says why."""


class Cache:
    """Compiled modules under one folder, by the digest of the WebAssembly they come from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def artefact(self, digest: str) -> Path:
        """The verified machine code of a module. Raises CacheMiss or CompileFailed."""
        with contextlib.suppress(FileNotFoundError):
            raise CompileFailed(self._path(digest, "failed").read_text())
        path = self._path(digest, "cwasm")
        try:
            tag = self._path(digest, "tag").read_bytes()
            code = path.read_bytes()
        except OSError:
            raise CacheMiss("not compiled yet") from None
        if not hmac.compare_digest(tag, self._tag(digest, code)):
            raise CacheMiss("the compiled module is damaged or of another origin; it is compiled anew")
        return path

    def paths(self, digest: str) -> tuple[Path, ...]:
        """The files that decide whether a module's machine code is used."""
        return self._folder / "key", *(self._path(digest, kind) for kind in ("cwasm", "tag"))

    def store(self, digest: str, code: bytes) -> None:
        self._write(self._path(digest, "cwasm"), code)
        self._write(self._path(digest, "tag"), self._tag(digest, code))

    def store_failure(self, digest: str, reason: str) -> None:
        """Remembers that a module does not compile, so that it is not tried for ever."""
        self._write(self._path(digest, "failed"), reason.encode())

    @contextlib.contextmanager
    def compiling(self) -> Iterator[bool]:
        """Holds the one right to compile into this folder; gives False where another process holds it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "compiling.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    def _path(self, digest: str, kind: str) -> Path:
        return self._folder / f"{digest[:32]}-{fingerprint()}.{kind}"

    def _tag(self, digest: str, code: bytes) -> bytes:
        bound = f"{digest} {fingerprint()}".encode()
        return hashlib.blake2b(
            code,
            key=self._key(),
            salt=hashlib.blake2b(bound, digest_size=16).digest(),
            digest_size=_TAG_BYTES,
        ).digest()

    def _key(self) -> bytes:
        path = self._folder / "key"
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file,
        ):
            file.write(secrets.token_bytes(32))
        return path.read_bytes()

    def _write(self, path: Path, content: bytes) -> None:
        """All of it or nothing, whatever dies meanwhile."""
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
