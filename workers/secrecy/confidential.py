"""Which messages may hold the arguments of `crypto.*`, which the quarantine never keeps.

The bytes of a message are searched without decoding them, because its sender decides what a decoder makes of them.
"""

import binascii
import contextlib
import json
import re
from base64 import b64decode
from typing import Any, Final

import msgspec

from wasmfleet.workers.transport.messages import MALFORMED
from wasmfleet.workers.untrusted import decompression, message_body

_NAME: Final = re.compile(r"(wasmfleet\.)?crypto\.")
_MENTION: Final = b"crypto."
#: Content that nobody can read at sight: a zero byte, or a word so long that it may be base64.
_OPAQUE: Final = re.compile(rb"\0|[A-Za-z0-9+/=]{24}")
#: A character of `_MENTION` as a JSON escape.
_ESCAPED: Final = re.compile(rb"\\u00([2-7][0-9a-fA-F])")


def is_named(*names: str) -> bool:
    """Tell whether an operation with any of these names takes secret arguments."""
    return any(map(_NAME.match, names))


def is_mentioned(part: bytes) -> bool:
    """Tell whether a part of a message (a link, a chain, the calls of a batch) names such an operation."""
    return _MENTION in part or _MENTION in _ESCAPED.sub(_unescaped, part)


def is_in_message(message: Any, body: bytes, most_bytes: int) -> bool:
    """Tell whether a message that is no call may hold secrets.

    It may where it has errors, and where it does not decompress to at most `most_bytes`.
    """
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
    """Tell whether a message that the transport could not read, given as it was sent, may hold secrets."""
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
        message_body.of(body, content_type)
    except (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return _is_in_text(body)
    return is_mentioned(body)


def _is_in_text(text: bytes) -> bool:
    """Tell whether content that does not decode may hold secrets: it may unless it is text that anybody can read."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return is_mentioned(text) or bool(_OPAQUE.search(text))


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])
