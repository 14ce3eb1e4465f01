"""What the quarantine never keeps: the arguments of `crypto.*`, wherever a message holds them."""

import binascii
import contextlib
import json
import re
from base64 import b64decode
from typing import Any, Final

import msgspec
from kombu.compression import decompress
from kombu.serialization import loads

from wasmfleet.workers.transport.messages import MALFORMED

_NAME: Final = re.compile(r"(wasmfleet\.)?crypto\.")
_MENTION: Final = b"crypto."
# What is written so that nobody reads it at sight: no text, or a word so long that it may be base64.
_VEILED: Final = re.compile(rb"\0|[A-Za-z0-9+/=]{24}")


def is_named(*names: str) -> bool:
    """Whether the arguments of a call that goes by these names may be secret."""
    return any(map(_NAME.match, names))


def is_in_part(part: Any) -> bool:
    """Whether a decoded part of a message names such an operation: a link, a chain, a batch's calls."""
    try:
        return _MENTION in msgspec.msgpack.encode(part)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return True


def is_in_message(message: Any, body: bytes) -> bool:
    """Whether a message that is no call may hold secrets. One that nobody can look into may."""
    if message.errors:  # it does not decompress
        return True
    if message.content_type == MALFORMED:
        return _is_in_malformed(body, message.accept)
    return _is_in_body(body, message.content_type, message.content_encoding, message.accept)


def _is_in_malformed(raw: bytes, accept: Any) -> bool:
    """The transport did not understand the message, so its body is as it was sent."""
    try:
        outer = json.loads(raw)
        body = outer.pop("body").encode()
        rest = json.dumps(outer).encode()
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        return _is_in_text(raw)
    try:
        plain = _unpacked(body, outer.get("headers"))
    except Exception:  # noqa: BLE001 - decoders raise what they like
        return True
    kind = (outer.get("content-type"), outer.get("content-encoding"))
    return _is_in_text(rest) or _is_in_body(plain, *kind, accept)


def _unpacked(body: bytes, headers: Any) -> bytes:
    """As it was before the transport wrote it as base64, and before the client compressed it (see decompression)."""
    with contextlib.suppress(binascii.Error):
        body = b64decode(body, validate=True)
    compression = headers.get("compression") if isinstance(headers, dict) else None
    plain: bytes = decompress(body, compression) if compression else body
    return plain


def _is_in_body(body: bytes, content_type: Any, content_encoding: Any, accept: Any) -> bool:
    try:
        content = loads(body, content_type, content_encoding, accept=accept)
    except Exception:  # noqa: BLE001 - decoders raise what they like
        return _is_in_text(body)
    return _is_in_text(body) if isinstance(content, str | bytes) else is_in_part(content)


def _is_in_text(text: bytes) -> bool:
    """Of what does not decode: it is kept where it is text that anybody can read."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return _MENTION in text or bool(_VEILED.search(text))
