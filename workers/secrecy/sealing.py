"""Sealed boxes: values that only who has a key of the keyring can read, on their way through the broker.

A box is `{"wasmfleet.sealed": [version, key id, operation, purpose, sealed]}`, and MessagePack and JSON both carry it.
`sealed` is nonce (12 bytes), ciphertext, tag (16 bytes) of the value in MessagePack, by AES-256-GCM (NIST SP 800-38D).
All that stands before it is authenticated with it, so that nobody can give one operation's box to another, or
arguments out as a result.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from wasmfleet.config.settings import settings
from wasmfleet.workers.errors import AuthenticationFailed, InvalidArguments
from wasmfleet.workers.secrecy import keyring
from wasmfleet.workers.untrusted import outline, weight

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Purpose = Literal["arguments", "result"]
MARK: Final = "wasmfleet.sealed"
_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
#: Names the one use of the keys that are derived here.
_USE: Final = b"wasmfleet sealing 1"


@dataclass(frozen=True, slots=True)
class Seal:
    """Which key seals, and the operation whose values are sealed, by its full name."""

    key_id: str
    operation: str


class _Box(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    key_id: str
    operation: str
    purpose: Purpose
    sealed: bytes

    @property
    def seal(self) -> Seal:
        return Seal(self.key_id, self.operation)


def is_box(value: Any) -> bool:
    """Tell whether a value claims to be a box; only `opened` finds out whether it is one."""
    return type(value) is dict and len(value) == 1 and MARK in value


def sealed(value: Any, seal: Seal, purpose: Purpose) -> dict[str, Any]:
    """Seal a plain value in a box. Raises UnknownKey, and InvalidArguments for what MessagePack cannot carry."""
    try:
        plain = msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"{seal.operation}: the {purpose} cannot be sealed: {error}") from None
    nonce = os.urandom(_NONCE_BYTES)
    ciphertext = _cipher(keyring.by_id(seal.key_id)).encrypt(nonce, plain, _authenticated(seal, purpose))
    return {MARK: [_VERSION, seal.key_id, seal.operation, purpose, nonce + ciphertext]}


def opened(box: Any, purpose: Purpose, operation: str | None = None) -> tuple[Any, Seal]:
    """Open a box of this purpose, and of this operation where one is named; gives the value and its seal.

    Raises InvalidArguments for what is no box, UnknownKey, and AuthenticationFailed for a box that was changed or
    was made for something else.
    """
    found = _read(box)
    if found.purpose != purpose or operation not in (None, found.operation):
        wanted = f"the {purpose} of {operation or 'a call'}"
        raise AuthenticationFailed(f"a sealed box was made for something else than {wanted}")
    return _decoded(_decrypted(found)), found.seal


def _read(box: Any) -> _Box:
    try:
        return msgspec.convert(box[MARK], _Box, builtin_types=(bytes,))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidArguments("a sealed box is malformed, or of another version") from None


def _decrypted(box: _Box) -> bytes:
    from cryptography.exceptions import InvalidTag

    nonce, ciphertext = box.sealed[:_NONCE_BYTES], box.sealed[_NONCE_BYTES:]
    cipher = _cipher(keyring.by_id(box.key_id))
    try:
        return cipher.decrypt(nonce, ciphertext, _authenticated(box.seal, box.purpose))
    except (InvalidTag, ValueError):  # a nonce that is too short is a ValueError
        raise AuthenticationFailed(
            "a sealed box does not open: it was changed, or the key has another value"
        ) from None


def _decoded(plain: bytes) -> Any:
    """Who has the key may be wrong as well: what is too heavy for this process is not decoded."""
    try:
        if not weight.is_light(plain, settings().max_values, outline.MOST_LEVELS):
            weight.check_msgpack(plain, settings().max_values, outline.MOST_LEVELS)
        return msgspec.msgpack.decode(plain)
    except (weight.TooHeavy, weight.Malformed, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"what a sealed box holds cannot be taken: {error}") from None


def _authenticated(seal: Seal, purpose: Purpose) -> bytes:
    return msgspec.msgpack.encode((_VERSION, seal.key_id, seal.operation, purpose))


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> "AESGCM":
    """A cipher whose key is derived (HKDF-SHA256, RFC 5869). With the key itself, anybody who may call
    `crypto.decrypt` by its id could have boxes opened; `crypto.sign` makes no key that is derived like this."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), length=_KEY_BYTES, salt=_USE, info=b"").derive(key))
