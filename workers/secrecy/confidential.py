"""What the quarantine never keeps: the arguments of `crypto.*`, wherever a message holds them.

A message is searched as it lies there, for a decoder would make of it whatever its sender wants.
"""

import binascii
import contextlib
import json
import re
from base64 import b64decode
from typing import Any, Final

import msgspec

from wasmfleet.workers.transport.messages import MALFORMED
from wasmfleet.workers.untrusted import decompression, outline

_NAME: Final = re.compile(r"(wasmfleet\.)?crypto\.")
_MENTION: Final = b"crypto."
# What is written so that nobody reads it at sight: no text, or a word so long that it may be base64.
_VEILED: Final = re.compile(rb"\0|[A-Za-z0-9+/=]{24}")
#: JSON's other way to write a character that `_MENTION` may have.
_ESCAPED: Final = re.compile(rb"\\u00([2-7][0-9a-fA-F])")


def is_named(*names: str) -> bool:
    """Whether the arguments of a call that goes by these names may be secret."""
    return any(map(_NAME.match, names))


def is_mentioned(part: bytes) -> bool:
    """Whether a part of a message names such an operation: a link, a chain, a batch's calls."""
    return _MENTION in part or _MENTION in _ESCAPED.sub(_unescaped, part)


def is_in_message(message: Any, body: bytes, most_bytes: int) -> bool:
    """Whether a message that is no call may hold secrets; one that does not open within `most_bytes` may."""
    if message.errors:
        return True
    if message.content_type == MALFORMED:
        return _is_in_malformed(body, most_bytes)
    try:
        plain = _decompressed(body, message.headers, most_bytes)
    except Exception:  # noqa: BLE001 - decoders raise what they like
        return True
    return _is_in_body(plain, message.content_type)


def _is_in_malformed(raw: bytes, most_bytes: int) -> bool:
    """The transport did not understand the message, so its body is as it was sent."""
    try:
        outer = json.loads(raw)
        body = outer.pop("body").encode()
        rest = json.dumps(outer).encode()
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        return _is_in_text(raw)
    with contextlib.suppress(binascii.Error):
        body = b64decode(body, validate=True)
    try:
        plain = _decompressed(body, outer.get("headers"), most_bytes)
    except Exception:  # noqa: BLE001 - decoders raise what they like
        return True
    return _is_in_text(rest) or _is_in_body(plain, outer.get("content-type"))


def _decompressed(body: bytes, headers: Any, most_bytes: int) -> bytes:
    compression = headers.get("compression") if isinstance(headers, dict) else None
    return decompression.plain(body, compression, most_bytes) if compression else body


def _is_in_body(body: bytes, content_type: Any) -> bool:
    try:
        outline.of(body, content_type)
    except (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return _is_in_text(body)
    return is_mentioned(body)


def _is_in_text(text: bytes) -> bool:
    """Of what does not decode: it is kept where it is text that anybody can read."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return is_mentioned(text) or bool(_VEILED.search(text))


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])
