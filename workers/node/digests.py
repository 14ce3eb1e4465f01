"""Keyed digests of calls' inputs: they show which inputs are equal, and without this node's key nothing else.

An unkeyed digest of a short secret would reveal it to whoever tries all short texts.
"""

import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import Settings, SettingsError, settings
from wasmfleet.workers.node import private_files

_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


def key_file(settings: Settings) -> Path:
    """Return the path of the key. Nodes with the same key make the same digests."""
    return settings.data_dir / "digest.key"


def of(content: bytes) -> str | None:
    """Compute the BLAKE2b-128 digest of some bytes under this node's key; None where this process cannot read it."""
    try:
        return under(key_file(settings()), content)
    except SettingsError:  # calls in this process need no data folder; a worker does not start without one
        return None


def under(key_file: Path, content: bytes) -> str:
    """Compute the digest of some bytes under the key in a file. Raises SettingsError."""
    return hashlib.blake2b(content, key=_key(key_file), digest_size=_DIGEST_BYTES).hexdigest()


@cache
def _key(path: Path) -> bytes:
    """Derive a key of the length that BLAKE2b takes from the file's secret, which may have any length."""
    return hashlib.blake2b(private_files.secret(path, lambda: secrets.token_bytes(_KEY_BYTES))).digest()
