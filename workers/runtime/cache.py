"""Cache of compiled modules: machine code on disk, which is used only where a keyed hash of it fits.

Wasmtime loads and runs almost any damaged machine code. So each file of it is bound to the module's digest, to the
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
from wasmfleet.workers.runtime.module_file import Identity, identity, rights

_TAG_BYTES: Final = 32
_KEY_BYTES: Final = 32


class CacheMiss(Exception):
    """The cache has no usable machine code of this module; the message says why."""


class CompileFailed(Exception):
    """The module was compiled once, and that failed; the message says why."""


class Artefact:
    """Verified machine code, and the open file it was read from: the file's name may lead elsewhere by now."""

    def __init__(self, descriptor: int, code: bytes) -> None:
        self._open_file = Path(f"/proc/self/fd/{descriptor}")
        self.code = code

    def deserialize(self, engine: wasmtime.Engine) -> wasmtime.Module:
        """Load the module, mapped from the file where /proc leads to it, so that processes share its memory."""
        if self._open_file.exists():
            return wasmtime.Module.deserialize_file(engine, str(self._open_file))
        return wasmtime.Module.deserialize(engine, self.code)


class Cache:
    """Compiled modules under one folder, by the digest of the WebAssembly they come from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def artefact(self, digest: str) -> Iterator[Artefact]:
        """Open the verified machine code of a module, which is named by its SHA-256.

        Raises CacheMiss, CompileFailed, NotPrivate.
        """
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
                raise CacheMiss(
                    "the compiled module is damaged or was made by somebody else; it is compiled anew"
                )
            yield Artefact(descriptor, code)

    def seen(self, digest: str) -> tuple[Identity, ...] | None:
        """Return a value that changes whenever a module's machine code must be verified again.

        That is when one of its files changes, or the rights of a folder, and not when a neighbour's file comes or goes.
        None where a file is missing, or changed just now.
        """
        files = [
            identity(self._folder / "key"),
            *(identity(self._path(digest, kind)) for kind in ("cwasm", "tag")),
        ]
        found = [
            one for one in (*files, rights(self._folder.parent), rights(self._folder)) if one is not None
        ]
        return tuple(found) if len(found) == len(files) + 2 else None

    def store(self, digest: str, code: bytes) -> None:
        """Keep the machine code of a module."""
        private_files.write(self._path(digest, "cwasm"), code)
        private_files.write(self._path(digest, "tag"), self._tag(digest, code))

    def store_failure(self, digest: str, reason: str) -> None:
        """Keep the reason why a module does not compile, so that it is not tried again and again."""
        private_files.write(self._path(digest, "failed"), reason.encode())

    @contextlib.contextmanager
    def compiling(self) -> Iterator[bool]:
        """Take the folder's lock for compiling, and yield whether this process has it: only one at a time compiles."""
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
        """Return the keyed hash of machine code, which differs for another module or another engine."""
        bound = f"{digest} {fingerprint()}".encode()
        return hashlib.blake2b(
            code,
            key=private_files.secret(self._folder / "key", lambda: secrets.token_bytes(_KEY_BYTES)),
            salt=hashlib.blake2b(bound, digest_size=16).digest(),
            digest_size=_TAG_BYTES,
        ).digest()
