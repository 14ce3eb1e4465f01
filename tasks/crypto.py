"""Ciphers and signatures. A call names a key; the worker looks it up in its keyring."""

from typing import Any, Literal

from wasmfleet.tasks import digest
from wasmfleet.workers.calls.catalogue import alias, operation
from wasmfleet.workers.contracts.contract import supplied
from wasmfleet.workers.secrecy import keyring

Algorithm = Literal["aes-256-gcm", "chacha20-poly1305"]


@operation(parity="equivalent")
def encrypt(
    data: bytes,
    *,
    key_id: str,
    associated_data: bytes = b"",
    algorithm: Algorithm = "aes-256-gcm",
    key: bytes = supplied(keyring.key),
    nonce: bytes = supplied(keyring.nonce),
) -> bytes:
    """Data sealed so that only the key opens it: nonce (12 bytes), ciphertext, tag (16 bytes).

    AES-256-GCM by NIST SP 800-38D, ChaCha20-Poly1305 by RFC 8439. The nonce is random and new for each call;
    the associated data is authenticated but not part of the result. UnknownKey without the key.
    """
    from wasmfleet.tasks.twins import ciphers

    return ciphers.seal(data, associated_data, algorithm, key, nonce)


@operation(parity="exact")
def decrypt(
    data: bytes,
    *,
    key_id: str,
    associated_data: bytes = b"",
    algorithm: Algorithm = "aes-256-gcm",
    key: bytes = supplied(keyring.key),
) -> bytes:
    """The data that `encrypt` sealed. AuthenticationFailed for everything else, never a part of the data."""
    from wasmfleet.tasks.twins import ciphers

    return ciphers.open_sealed(data, associated_data, algorithm, key)


@operation(parity="exact")
def sign(data: bytes, *, key_id: str, key: bytes = supplied(keyring.key)) -> bytes:
    """The HMAC-SHA256 of data (RFC 2104), 32 bytes."""
    import hmac

    return hmac.digest(key, data, "sha256")


@operation(parity="exact")
def verify(data: bytes, signature: bytes, *, key_id: str, key: bytes = supplied(keyring.key)) -> bool:
    """Whether a signature is the one that `sign` makes, in constant time. A wrong length is false."""
    import hmac

    return hmac.compare_digest(hmac.digest(key, data, "sha256"), signature)


@alias(digest.digest)
def sha256(data: bytes) -> Any:
    """The SHA-256 of some bytes; see `digest.digest`."""
    return {"data": data, "algorithm": "sha256"}


@alias(digest.digest)
def md5(data: bytes) -> Any:
    """The MD5 of some bytes, against accidents only; see `digest.digest`."""
    return {"data": data, "algorithm": "md5"}
