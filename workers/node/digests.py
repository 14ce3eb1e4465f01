"""Digests of what a call was given: equal inputs can be told, and nobody without this node's key can guess at them.

An unkeyed digest of a short secret would give it away to whoever tries all short texts.
"""

import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import Settings, SettingsError, settings
from wasmfleet.workers.node import private

_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


def key_file(settings: Settings) -> Path:
    """The key; nodes that are given the same one have the same digests."""
    return settings.data_dir / "digest.key"


def of(content: bytes) -> str | None:
    """The BLAKE2b-128 digest of some bytes under this node's key; None where this process cannot have the key."""
    try:
        return under(key_file(settings()), content)
    except SettingsError:  # a call in this process needs no data folder; a worker refuses to start
        return None


def under(key_file: Path, content: bytes) -> str:
    """The digest of some bytes under the key in a file. Raises SettingsError."""
    return hashlib.blake2b(content, key=_key(key_file), digest_size=_DIGEST_BYTES).hexdigest()


@cache
def _key(path: Path) -> bytes:
    """A key of the length that BLAKE2b takes, from a secret of any length."""
    return hashlib.blake2b(private.secret(path, lambda: secrets.token_bytes(_KEY_BYTES))).digest()
