"""Encrypt, decrypt, sign and verify: a call names a key, and the worker looks it up in its keyring."""

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
    """Encrypt data so that only who has the key can read it, and nobody can change it unnoticed.

    Arguments:

    - `data`: the bytes.
    - `key_id`: which key of the worker's keyring; the key itself never travels.
    - `associated_data`: bytes that are authenticated with the data and are no part of the result.
    - `algorithm`: AES-256-GCM by NIST SP 800-38D, or ChaCha20-Poly1305 by RFC 8439.

    The result is nonce (12 bytes), ciphertext, tag (16 bytes); the nonce is random and new for each call. Raises
    UnknownKey where the worker has no such key.
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
    """Decrypt what `encrypt` gave. All of it comes out, or an error.

    Arguments:

    - `data`: nonce, ciphertext and tag, as `encrypt` gives them.
    - `key_id`, `associated_data`, `algorithm`: what `encrypt` was given.

    Raises AuthenticationFailed for everything else than what `encrypt` gave for these, and UnknownKey where the
    worker has no such key.
    """
    from wasmfleet.tasks.twins import ciphers

    return ciphers.open_sealed(data, associated_data, algorithm, key)


@operation(parity="exact")
def sign(data: bytes, *, key_id: str, key: bytes = supplied(keyring.key)) -> bytes:
    """Give the HMAC-SHA256 (RFC 2104) of data, 32 bytes.

    Arguments:

    - `data`: the bytes.
    - `key_id`: which key of the worker's keyring; the key itself never travels.

    Raises UnknownKey where the worker has no such key.
    """
    import hmac

    return hmac.digest(key, data, "sha256")


@operation(parity="exact")
def verify(data: bytes, signature: bytes, *, key_id: str, key: bytes = supplied(keyring.key)) -> bool:
    """Tell whether a signature is the one that `sign` makes, in constant time.

    Arguments:

    - `data`: the bytes that were signed.
    - `signature`: what is to be checked; one that is not 32 bytes long is false.
    - `key_id`: which key of the worker's keyring.

    Raises UnknownKey where the worker has no such key.
    """
    import hmac

    return hmac.compare_digest(hmac.digest(key, data, "sha256"), signature)


@alias(digest.digest)
def sha256(data: bytes) -> Any:
    """Give the SHA-256 of some bytes as hexadecimal digits; see `digest.digest`."""
    return {"data": data, "algorithm": "sha256"}


@alias(digest.digest)
def md5(data: bytes) -> Any:
    """Give the MD5 of some bytes, which protects against accidents only; see `digest.digest`."""
    return {"data": data, "algorithm": "md5"}
