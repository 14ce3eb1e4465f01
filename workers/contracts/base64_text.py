"""Base64 text where a contract says bytes: how clients in languages without a type for bytes write them in JSON."""

import base64
import re
from typing import Any, Final, get_args, get_origin

_BASE64: Final = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", re.ASCII)
_URL_SAFE: Final = str.maketrans("-_", "+/")


class NotBase64(ValueError):
    """A text that stands where bytes belong is no base64."""


def takes_bytes(hint: Any) -> bool:
    """Tell whether a type is bytes, or has bytes within it."""
    return hint is bytes or any(map(takes_bytes, get_args(hint)))


def with_bytes(value: Any, hint: Any) -> Any:
    """Return a value in which each text that stands where its type has bytes is decoded.

    Raises NotBase64.
    """
    if isinstance(value, str):
        return decoded(value) if bytes in _choices(hint) else value
    for choice in filter(takes_bytes, _choices(hint)):
        if isinstance(value, list) and get_origin(choice) is list:
            return [with_bytes(inner, get_args(choice)[0]) for inner in value]
        if isinstance(value, dict) and get_origin(choice) is dict:
            return {name: with_bytes(inner, get_args(choice)[1]) for name, inner in value.items()}
    return value


def decoded(text: str) -> bytes:
    """Decode base64 (RFC 4648, section 4) or its alphabet for URLs (section 5), with its padding or without.

    Raises NotBase64 for anything else, such as white space, mixed alphabets, or a last character with spare bits set.
    """
    digits = text.rstrip("=").translate(_URL_SAFE)
    padding = -len(digits) % 4
    if not _BASE64.fullmatch(text) or len(text) not in (len(digits), len(digits) + padding) or padding == 3:
        raise NotBase64("no base64")
    found = base64.b64decode(digits + "=" * padding)
    if base64.b64encode(found).rstrip(b"=") != digits.encode():
        raise NotBase64("spare bits")
    return found


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, and without their bounds; of any other type itself."""
    members = get_args(hint)
    if get_origin(hint) in (list, dict) or not members:
        return (hint,)
    return tuple(choice for member in members for choice in _choices(member))
