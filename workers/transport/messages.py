"""Messages as they lie in the lists: JSON of kombu's form, or what somebody else put there."""

import base64
import re
from json import JSONDecoder
from typing import Any, Final

from kombu.utils.json import dumps, loads, object_hook

# Kombu's `loads` makes a decoder for each message.
_decode: Final = JSONDecoder(object_hook=object_hook).decode
_EXCHANGE_AND_KEY: Final = re.compile(rb', "(?:[^"\\]|\\.)*", "(?:[^"\\]|\\.)*"\]$')
MALFORMED: Final = "application/x-malformed"
_SHAPE: Final[dict[str, Any]] = {
    "properties": dict,
    "headers": (dict, type(None)),
    "body": (str, type(None)),
    "content-type": (str, type(None)),
    "content-encoding": (str, type(None)),
}


def decode(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """The message of a queue under this delivery tag; a malformed one comes wrapped, its bytes the body."""
    try:
        message = _decode(raw.decode())
    except Exception:  # noqa: BLE001 - kombu's typed values raise what they like
        return wrapped(raw, tag, queue)
    if not is_well_formed(message):
        return wrapped(raw, tag, queue)
    properties = message["properties"]
    properties["delivery_tag"] = tag
    if not isinstance(properties["delivery_info"].get("routing_key"), str):
        properties["delivery_info"]["routing_key"] = queue
    return message  # type: ignore[no-any-return]


def wrapped(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """A message that no consumer accepts, so that it comes to where such are set aside."""
    return {
        "body": base64.b64encode(raw).decode(),
        "content-type": MALFORMED,
        "content-encoding": "binary",
        "headers": {},
        "properties": {
            "delivery_tag": tag,
            "delivery_info": {"routing_key": queue},
            "body_encoding": "base64",
        },
    }


def redelivered(booked: bytes) -> bytes:
    """The message of an entry in `unacked`, marked as delivered before; one that cannot be read, as it came."""
    try:
        return _marked(booked)
    except Exception:  # noqa: BLE001 - as in decode
        end = _EXCHANGE_AND_KEY.search(booked)
        return booked[1 : end.start()] if end else booked


def _marked(booked: bytes) -> bytes:
    message = loads(booked.decode("utf-8", "surrogateescape"))[0]
    if isinstance(message, str):  # malformed: booked as text
        return message.encode("utf-8", "surrogateescape")
    for part in (message.get("headers"), message["properties"].get("delivery_info")):
        if isinstance(part, dict):
            part["redelivered"] = True
    text: str = dumps(message)
    return text.encode()


def is_well_formed(message: Any) -> bool:
    """Whether kombu can take it for a message."""
    if not isinstance(message, dict):
        return False
    if not all(isinstance(message.get(name), kind) for name, kind in _SHAPE.items()):
        return False
    properties = message["properties"]
    info = properties.setdefault("delivery_info", {})
    return isinstance(info, dict) and properties.get("body_encoding") in (None, "", "base64")
