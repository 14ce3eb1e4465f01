"""Messages as they lie in the lists: JSON of kombu's form, or what somebody else put there."""

import binascii
import re
from datetime import UTC, datetime, timedelta
from json import JSONDecoder
from typing import Any, Final

from kombu.utils.json import dumps, loads, object_hook

from wasmfleet.workers.untrusted import weight

# Kombu's `loads` makes a decoder for each message.
_decode: Final = JSONDecoder(object_hook=object_hook).decode
#: How kombu begins a message; what follows up to the next quote is its body.
_BODY: Final = re.compile(rb'\{\s*"body"\s*:\s*"')
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
#: What a message may have besides its body: headers are small, and each of their values becomes an object.
_HEAD_BYTES: Final = 256 << 10
_HEAD_VALUES: Final = 100_000
_HEAD_LEVELS: Final = 64
#: The header that counts the workers that died while they might have worked on a message.
LOST: Final = "wasmfleet_lost"
MALFORMED: Final = "application/x-malformed"
_SHAPE: Final[dict[str, Any]] = {
    "properties": dict,
    "headers": (dict, type(None)),
    "body": (str, type(None)),
    "content-type": (str, type(None)),
    "content-encoding": (str, type(None)),
}


def decode(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """The message of a queue under this delivery tag; a malformed one comes wrapped, its bytes the body.

    The body comes as bytes, decoded from base64 where it was sent so; nothing is made of what is in it.
    """
    try:
        message, body = _opened(raw)
        if not is_well_formed(message):
            return wrapped(raw, tag, queue)
        _unpack(message, body)
    except Exception:  # noqa: BLE001 - kombu's typed values raise what they like
        return wrapped(raw, tag, queue)
    properties = message["properties"]
    properties["delivery_tag"] = tag
    if not isinstance(properties["delivery_info"].get("routing_key"), str):
        properties["delivery_info"]["routing_key"] = queue
    return message  # type: ignore[no-any-return]


def wrapped(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """A message that no consumer accepts, so that it comes to where such are set aside."""
    return {
        "body": raw,
        "content-type": MALFORMED,
        "content-encoding": "binary",
        "headers": {},
        "properties": {"delivery_tag": tag, "delivery_info": {"routing_key": queue}},
    }


def body(booked: bytes) -> bytes:
    """The body of an entry in `unacked`, as `decode` gives it."""
    end = booked.rfind(b', "', 0, booked.rfind(b', "'))
    text = decode(booked[1:end], "", "")["body"]
    return text.encode() if isinstance(text, str) else bytes(text or b"")


def redelivered(booked: bytes, *, lost: bool = False) -> bytes:
    """The message of an entry in `unacked`, marked as delivered before, and counted if its holder was `lost` while it
    might have worked on it; one that cannot be read, as it came."""
    try:
        return _marked(booked, lost)
    except Exception:  # noqa: BLE001 - as in decode
        # The exchange and the key end it; in a JSON string no quote follows a blank, for it would be escaped.
        end = booked.rfind(b', "', 0, booked.rfind(b', "'))
        return booked[1:end] if end > 0 else booked


def _marked(booked: bytes, lost: bool) -> bytes:
    head, body = _split(booked[1:])
    _check_head(head)
    message = loads((b"[" + head).decode("utf-8", "surrogateescape"))[0]
    if isinstance(message, str):  # malformed: booked as text
        return message.encode("utf-8", "surrogateescape")
    headers = message.get("headers")
    for part in (headers, message["properties"].get("delivery_info")):
        if isinstance(part, dict):
            part["redelivered"] = True
    if lost and isinstance(headers, dict) and not waits(headers):
        headers[LOST] = _count(headers.get(LOST)) + 1
    return _with_body(message, body)


def renewed(raw: bytes, id: str) -> bytes:
    """A message under another id, as if it had never been delivered; its body is not looked into. Raises ValueError,
    or what kombu raises, for one that cannot be read."""
    message, body = _opened(raw)
    headers, properties = message["headers"], message["properties"]
    for name in (LOST, "redelivered"):
        headers.pop(name, None)
    headers |= {"id": id, "root_id": id, "parent_id": None}
    properties |= {"correlation_id": id, "delivery_tag": id}
    return _with_body(message, body)


def _with_body(message: dict[str, Any], body: bytes | None) -> bytes:
    """A message as JSON, with the body as it stood between its quotes."""
    text: str = dumps(message if body is None else {k: v for k, v in message.items() if k != "body"})
    return text.encode() if body is None else b'{"body": "' + body + b'", ' + text[1:].encode()


def waits(headers: dict[str, Any], longer_than: timedelta = timedelta(0)) -> bool:
    """Whether a message waits for its time, which is no time where it cannot be read."""
    eta = headers.get("eta")
    try:
        due = eta if isinstance(eta, datetime) else datetime.fromisoformat(eta)  # type: ignore[arg-type]
        return due.astimezone(UTC) > datetime.now(UTC) + longer_than
    except (TypeError, ValueError, OverflowError):
        return False


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1000 else 0


def _opened(raw: bytes) -> tuple[Any, bytes | None]:
    """A message without its body, and the body as it stands there; None where it is still in the message."""
    head, body = _split(raw)
    _check_head(head)
    return _decode(head.decode()), body


def _split(raw: bytes) -> tuple[bytes, bytes | None]:
    """The message with an empty body, and the body as it stands between its quotes."""
    found = _BODY.match(raw)
    if not found:
        return raw, None
    start = found.end()
    end = raw.find(b'"', start)
    if raw.find(b"\\", start, end) >= 0:
        end = _STRING.match(raw, start).end()  # type: ignore[union-attr]
    return raw[:start] + raw[end:], raw[start:end]


def _check_head(head: bytes) -> None:
    """Raises weight.TooHeavy where a message would become too many objects."""
    if len(head) > _HEAD_BYTES:
        weight.check_json(head, _HEAD_VALUES, _HEAD_LEVELS)


def _unpack(message: dict[str, Any], body: bytes | None) -> None:
    """Gives a message its body as its sender made it. Raises ValueError.

    A body that is no base64 stays as it is, of a type that nobody reads: the message's id is answered.
    """
    encoding = message["properties"].pop("body_encoding", None)
    if body is None:
        body = (message["body"] or "").encode()
    elif b"\\" in body:
        body = _decode((b'"' + body + b'"').decode()).encode()
    message["body"] = body
    if encoding:
        try:
            # Strictly: without what is no base64 a damaged message might be another one.
            message["body"] = binascii.a2b_base64(body.translate(None, b" \r\n"), strict_mode=True)
        except binascii.Error:
            message["content-type"] = MALFORMED


def is_well_formed(message: Any) -> bool:
    """Whether kombu can take it for a message."""
    if not isinstance(message, dict):
        return False
    if not all(isinstance(message.get(name), kind) for name, kind in _SHAPE.items()):
        return False
    properties = message["properties"]
    info = properties.setdefault("delivery_info", {})
    return isinstance(info, dict) and properties.get("body_encoding") in (None, "", "base64")
