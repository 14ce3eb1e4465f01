"""Messages as they lie in the broker's lists: JSON in kombu's form, or whatever somebody else put there."""

import binascii
import re
from datetime import UTC, datetime, timedelta
from json import JSONDecoder
from typing import Any, Final

from kombu.utils.json import dumps, loads, object_hook

from wasmfleet.workers.untrusted import weight

# One decoder for all messages: kombu's `loads` makes a new one for each.
_decode: Final = JSONDecoder(object_hook=object_hook).decode
#: How kombu begins a message. The body follows, up to the next quote.
_BODY: Final = re.compile(rb'\{\s*"body"\s*:\s*"')
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
#: What a message may have beside its body. Headers are small, and each of their values becomes an object.
_HEAD_BYTES: Final = 256 << 10
_HEAD_VALUES: Final = 100_000
_HEAD_LEVELS: Final = 64
#: The header that counts the workers that died while they might have worked on a message.
LOST: Final = "wasmfleet_lost"
#: The header that counts how often a worker gave a message back because something that it needs was away.
RETURNED: Final = "wasmfleet_returned"
MALFORMED: Final = "application/x-malformed"
_SHAPE: Final[dict[str, Any]] = {
    "properties": dict,
    "headers": (dict, type(None)),
    "body": (str, type(None)),
    "content-type": (str, type(None)),
    "content-encoding": (str, type(None)),
}


def decode(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """Read a message of a queue and give it this delivery tag; wrap one that is malformed. Raises nothing.

    The body stays bytes. Base64 is taken off where the sender put it on; what the bytes mean is not looked at.
    """
    try:
        message, body = _opened(raw)
        if not is_well_formed(message):
            return wrapped(raw, tag, queue)
        _unpack(message, body)
    except Exception:  # noqa: BLE001 - kombu's decoders of typed values raise what they like
        return wrapped(raw, tag, queue)
    properties = message["properties"]
    properties["delivery_tag"] = tag
    if not isinstance(properties["delivery_info"].get("routing_key"), str):
        properties["delivery_info"]["routing_key"] = queue
    return message  # type: ignore[no-any-return]


def wrapped(raw: bytes, tag: str, queue: str) -> dict[str, Any]:
    """Make a message of these bytes, with a content type that no consumer accepts: the worker sets it aside."""
    return {
        "body": raw,
        "content-type": MALFORMED,
        "content-encoding": "binary",
        "headers": {},
        "properties": {"delivery_tag": tag, "delivery_info": {"routing_key": queue}},
    }


def body(booked: bytes) -> bytes:
    """Give the body of an entry in `unacked`, in the form in which `decode` gives it."""
    end = booked.rfind(b', "', 0, booked.rfind(b', "'))
    text = decode(booked[1:end], "", "")["body"]
    return text.encode() if isinstance(text, str) else bytes(text or b"")


def redelivered(booked: bytes, *, lost: bool = False, returned: bool = False) -> bytes:
    """Give the message of an entry in `unacked`, marked as delivered before; one that cannot be read stays as it is.

    Where its holder was `lost` and may have been working on it, its header counts one more death; where its holder has
    `returned` it, one more return.
    """
    try:
        return _marked(booked, lost, returned)
    except Exception:  # noqa: BLE001 - kombu's decoders of typed values raise what they like
        # The exchange and the routing key end it. No `, "` can stand inside them: JSON escapes quotes.
        end = booked.rfind(b', "', 0, booked.rfind(b', "'))
        return booked[1:end] if end > 0 else booked


def without_deaths(raw: bytes, at_least: int) -> bytes:
    """Give a message without its count of deaths where that is so large; empty where it is not."""
    try:
        message, body = _opened(raw)
        if _count(message["headers"].pop(LOST, 0)) < at_least:
            return b""
        return _with_body(message, body)
    except Exception:  # noqa: BLE001 - kombu's decoders of typed values raise what they like
        return b""


def name_of(raw: bytes) -> str:
    """Name a message for the log, by its task and id."""
    headers = _opened(raw)[0]["headers"]
    return f"{headers.get('task')}[{headers.get('id')}]"


def _marked(booked: bytes, lost: bool, returned: bool) -> bytes:
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
    if returned and isinstance(headers, dict):
        headers[RETURNED] = _count(headers.get(RETURNED)) + 1
    return _with_body(message, body)


def renewed(raw: bytes, id: str) -> bytes:
    """Give a message another id and forget its deliveries, without looking into its body.

    Raises ValueError, or what kombu raises, where the message cannot be read.
    """
    message, body = _opened(raw)
    headers, properties = message["headers"], message["properties"]
    for name in (LOST, RETURNED, "redelivered"):
        headers.pop(name, None)
    headers |= {"id": id, "root_id": id, "parent_id": None}
    properties |= {"correlation_id": id, "delivery_tag": id}
    return _with_body(message, body)


def _with_body(message: dict[str, Any], body: bytes | None) -> bytes:
    """Write a message as JSON around the text that stood between the quotes of its body."""
    text: str = dumps(message if body is None else {k: v for k, v in message.items() if k != "body"})
    if body is None:
        return text.encode()
    return b"".join((b'{"body": "', body, b'", ', text[1:].encode()))  # one copy of a body that may be large


def waits(headers: dict[str, Any], longer_than: timedelta = timedelta(0)) -> bool:
    """Whether the message's `eta` is further away than this. An `eta` that cannot be read is none."""
    eta = headers.get("eta")
    try:
        due = eta if isinstance(eta, datetime) else datetime.fromisoformat(eta)  # type: ignore[arg-type]
        return due.astimezone(UTC) > datetime.now(UTC) + longer_than
    except (TypeError, ValueError, OverflowError):
        return False


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1000 else 0


def _opened(raw: bytes) -> tuple[Any, bytes | None]:
    """Decode a message without its body; give the body's text beside it, or None where it stayed in the message."""
    head, body = _split(raw)
    _check_head(head)
    return _decode(head.decode()), body


def _split(raw: bytes) -> tuple[bytes, bytes | None]:
    """Cut the body's text out of a message. None where kombu did not write the message: the body stays in it."""
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
    """Give a message its body as its sender made it. Raises ValueError.

    A body that should be base64 and is not stays as it is, with a content type that no consumer accepts. The message
    keeps its id, so that its sender gets an error.
    """
    encoding = message["properties"].pop("body_encoding", None)
    if body is None:
        body = (message["body"] or "").encode()
    elif b"\\" in body:
        body = _decode((b'"' + body + b'"').decode()).encode()
    message["body"] = body
    if encoding:
        try:
            # Strict: a decoder that skips odd characters would make another message of a damaged one.
            message["body"] = binascii.a2b_base64(body.translate(None, b" \r\n"), strict_mode=True)
        except binascii.Error:
            message["content-type"] = MALFORMED


def is_well_formed(message: Any) -> bool:
    """Whether kombu can make a message of a decoded value."""
    if not isinstance(message, dict):
        return False
    if not all(isinstance(message.get(name), kind) for name, kind in _SHAPE.items()):
        return False
    properties = message["properties"]
    info = properties.setdefault("delivery_info", {})
    return isinstance(info, dict) and properties.get("body_encoding") in (None, "", "base64")
