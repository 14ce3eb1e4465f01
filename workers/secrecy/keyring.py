"""The keyring: keys by id, read from the file that WASMFLEET_KEYRING names.

A key never leaves the process that uses it.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from wasmfleet.config.settings import settings
from wasmfleet.workers.errors import UnknownKey
from wasmfleet.workers.node import private_files

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(slots=True)
class _Holder:
    """Whose keyring it is, as errors say: a worker's errors reach callers that may have a keyring of their own."""

    name: str = "this process"


holder: Final = _Holder()


def key(arguments: dict[str, Any]) -> bytes:
    """Return the 32-byte key that a call's arguments name by `key_id`. Raises UnknownKey."""
    return by_id(arguments["key_id"])


def by_id(key_id: str) -> bytes:
    """Return the 32-byte key of this id. Raises UnknownKey."""
    path = settings().keyring
    if path is None:
        raise UnknownKey(
            f"{holder.name} has no keyring; set WASMFLEET_KEYRING in its environment to a JSON file of key id to "
            "base64 key"
        )
    return _decoded(key_id, _entries(path).get(key_id))


def ids() -> list[str]:
    """Return the ids of all keys, sorted; none where no keyring is set. Raises UnknownKey where it cannot be read."""
    path = settings().keyring
    return sorted(_entries(path)) if path else []


def nonce(_arguments: dict[str, Any]) -> bytes:
    """Return 12 random bytes from the host: a guest has no randomness fit for cryptography."""
    return os.urandom(_NONCE_BYTES)


def _entries(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(private_files.read(path, secret=True), type=dict[str, str])
    except private_files.NotPrivate:
        raise UnknownKey(
            f"others can read or change the keyring {path.name} of {holder.name}; `wasmfleet doctor` on its node says "
            "what to run"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise UnknownKey(f"the keyring {path.name} of {holder.name} cannot be read: {error}") from None


def _decoded(key_id: str, text: str | None) -> bytes:
    if text is None:
        raise UnknownKey(f"the keyring of {holder.name} has no key {key_id[:80]!r}")
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise UnknownKey(f"key {key_id[:80]!r} of {holder.name} is not base64") from None
    if len(found) != _KEY_BYTES:
        raise UnknownKey(
            f"key {key_id[:80]!r} of {holder.name} has {len(found)} bytes; it needs {_KEY_BYTES}"
        )
    return found
