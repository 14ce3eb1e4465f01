"""Encrypt and decrypt with the cryptography library."""

from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from wasmfleet.workers.errors import AuthenticationFailed

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


def seal(data: bytes, associated_data: bytes, algorithm: str, key: bytes, nonce: bytes) -> bytes:
    sealed: bytes = _cipher(algorithm, key).encrypt(nonce, data, associated_data)
    return nonce + sealed


def open_sealed(sealed: bytes, associated_data: bytes, algorithm: str, key: bytes) -> bytes:
    """Decrypt what `seal` gave. Raises AuthenticationFailed."""
    try:
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise InvalidTag
        cipher = _cipher(algorithm, key)
        data: bytes = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated_data)
    except InvalidTag:
        # One message for every way to be wrong: an attacker learns nothing from it.
        reason = "data: not sealed with this key, algorithm and associated data, or changed since"
        raise AuthenticationFailed(reason) from None
    return data


def _cipher(algorithm: str, key: bytes) -> Any:
    return AESGCM(key) if algorithm == "aes-256-gcm" else ChaCha20Poly1305(key)
