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
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wasmtime

from wasmfleet.workers.node import private_files
from wasmfleet.workers.runtime.engine import fingerprint

_TAG_BYTES: Final = 32
_KEY_BYTES: Final = 32


class CacheMiss(Exception):
    """There is nothing usable for this module; the message says why."""


class CompileFailed(Exception):
    """The module was tried and does not compile; the message says why."""


class Artefact:
    """Machine code that was verified, by the open file that it was read from: what its name leads to may change."""

    def __init__(self, descriptor: int, code: bytes) -> None:
        self._open_file = Path(f"/proc/self/fd/{descriptor}")
        self.code = code

    def deserialize(self, engine: wasmtime.Engine) -> wasmtime.Module:
        """The module. Mapped from the file where that can be, so that processes share its memory."""
        if self._open_file.exists():
            return wasmtime.Module.deserialize_file(engine, str(self._open_file))
        return wasmtime.Module.deserialize(engine, self.code)


class Cache:
    """Compiled modules under one folder, by the digest of the WebAssembly they come from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def artefact(self, digest: str) -> Iterator[Artefact]:
        """The verified machine code of a module. Raises CacheMiss, CompileFailed, or NotPrivate."""
        self._refuse_shared()
        with contextlib.suppress(FileNotFoundError):
            raise CompileFailed(private_files.read(self._path(digest, "failed")).decode(errors="replace"))
        with contextlib.ExitStack() as opened:
            try:
                tag = private_files.read(self._path(digest, "tag"))
                descriptor = opened.enter_context(private_files.opened(self._path(digest, "cwasm")))
                code = private_files.content(descriptor)
            except OSError:
                raise CacheMiss("not compiled yet") from None
            if not hmac.compare_digest(tag, self._tag(digest, code)):
                raise CacheMiss("the compiled module is damaged or of another origin; it is compiled anew")
            yield Artefact(descriptor, code)

    def paths(self, digest: str) -> tuple[Path, ...]:
        """The files and folders that decide whether a module's machine code is used."""
        files = ("key", *(self._path(digest, kind).name for kind in ("cwasm", "tag")))
        return self._folder.parent, self._folder, *(self._folder / name for name in files)

    def store(self, digest: str, code: bytes) -> None:
        private_files.write(self._path(digest, "cwasm"), code)
        private_files.write(self._path(digest, "tag"), self._tag(digest, code))

    def store_failure(self, digest: str, reason: str) -> None:
        """Remembers that a module does not compile, so that it is not tried for ever."""
        private_files.write(self._path(digest, "failed"), reason.encode())

    @contextlib.contextmanager
    def compiling(self) -> Iterator[bool]:
        """Holds the one right to compile into this folder; gives False where another process holds it."""
        private_files.folder(self._folder)
        self._refuse_shared()
        lock = os.open(self._folder / "compiling.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def _refuse_shared(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            private_files.check(self._folder.parent)
            private_files.check(self._folder)

    def _path(self, digest: str, kind: str) -> Path:
        return self._folder / f"{digest[:32]}-{fingerprint()}.{kind}"

    def _tag(self, digest: str, code: bytes) -> bytes:
        bound = f"{digest} {fingerprint()}".encode()
        return hashlib.blake2b(
            code,
            key=private_files.secret(self._folder / "key", lambda: secrets.token_bytes(_KEY_BYTES)),
            salt=hashlib.blake2b(bound, digest_size=16).digest(),
            digest_size=_TAG_BYTES,
        ).digest()
