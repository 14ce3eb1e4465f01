"""Sealed boxes: values that travel through the broker encrypted with a key of the keyring.

A box is `{"wasmfleet.sealed": [version, key id, operation, purpose, sealed]}`, which MessagePack and JSON can carry.
`sealed` is the value in MessagePack, encrypted with AES-256-GCM (NIST SP 800-38D): nonce (12 bytes), ciphertext, tag
(16 bytes). The fields before it are authenticated with it, so that nobody can pass one operation's box to another, or
pass arguments off as a result.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from wasmfleet.config.settings import settings
from wasmfleet.workers import extras
from wasmfleet.workers.errors import AuthenticationFailed, InvalidArguments
from wasmfleet.workers.secrecy import keyring
from wasmfleet.workers.untrusted import message_body, weight

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Purpose = Literal["arguments", "result"]
MARK: Final = "wasmfleet.sealed"
_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
#: Salt of the key derivation: ties the derived keys to this one use.
_USE: Final = b"wasmfleet sealing 1"


@dataclass(frozen=True, slots=True)
class Seal:
    """What a box is sealed with and for: the id of a key, and the full name of an operation."""

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
    """Tell whether a value looks like a box; only `opened` finds out whether it is a valid one."""
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
    """Open a box of this purpose, and of this operation where one is given, and return the value and its seal.

    Raises InvalidArguments for a malformed box, UnknownKey, and AuthenticationFailed for a box that was changed or
    was made for another purpose or operation.
    """
    found = _read(box)
    if found.purpose != purpose or operation not in (None, found.operation):
        wanted = f"the {purpose} of {operation or 'a call'}"
        raise AuthenticationFailed(f"a sealed box was not made for {wanted}")
    return _decoded(_decrypted(found)), found.seal


def _read(box: Any) -> _Box:
    try:
        return msgspec.convert(box[MARK], _Box, builtin_types=(bytes,))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidArguments("a sealed box is malformed or of another version") from None


def _decrypted(box: _Box) -> bytes:
    with extras.needed("sealing", "to open a sealed box"):
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
    """Decode what a box holds, within the limits for any message: who has the key may still send too much."""
    try:
        if not weight.is_light(plain, settings().max_values, message_body.MOST_LEVELS):
            weight.check_msgpack(plain, settings().max_values, message_body.MOST_LEVELS)
        return msgspec.msgpack.decode(plain)
    except (weight.TooHeavy, weight.Malformed, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"the content of a sealed box is refused: {error}") from None


def _authenticated(seal: Seal, purpose: Purpose) -> bytes:
    return msgspec.msgpack.encode((_VERSION, seal.key_id, seal.operation, purpose))


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> "AESGCM":
    """Make the cipher for a key of the keyring, with a key derived from it (HKDF-SHA256, RFC 5869).

    If boxes were encrypted with the key itself, anybody who may call `crypto.decrypt` with its id could have them
    opened. `crypto.sign` cannot compute the derived key: there a key of the keyring is HMAC's key, here its message.
    """
    with extras.needed("sealing", "a key that seals what crypto.* gets and gives"):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), length=_KEY_BYTES, salt=_USE, info=b"").derive(key))
