"""The shape that a message must have before Celery looks into it.

Celery trusts headers and properties; one of a strange type or value would end the worker that takes it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from kombu.exceptions import EncodeError
from kombu.serialization import dumps

from wasmfleet.config.celery import BATCH
from wasmfleet.workers.errors import InputTooLarge, InvalidArguments
from wasmfleet.workers.reception import follow_ups
from wasmfleet.workers.reception.follow_ups import Signature
from wasmfleet.workers.reception.wire_types import Count, Id, Limit, Name, Seconds, UnixTime
from wasmfleet.workers.untrusted import message_body
from wasmfleet.workers.untrusted.undecoded import Undecoded, body_limit, embed_of


class _Own(msgspec.Struct):
    """Our own header, `wasmfleet`: written by `calls/publishing.py`, read and changed by `execution/lanes.py`."""

    lane: str | None = None
    reply: str | None = None
    queued_at: UnixTime | None = None
    limit_s: Seconds | None = None
    handed_over: str | None = None
    waits: Count = 0
    waited_for: str | None = None


class _Headers(msgspec.Struct):
    """The headers of Celery's message protocol 2 on which something here or in Celery relies."""

    task: Name
    id: Id
    retries: Count = 0
    timelimit: tuple[Limit | None, Limit | None] | None = None
    expires: Any = None
    eta: Any = None
    root_id: Id | None = None
    parent_id: Id | None = None
    group: Id | None = None
    group_index: Count | None = None
    shadow: Id | None = None
    stamped_headers: list[str] | None = None
    headers: dict[str, Any] | None = None
    wasmfleet: _Own | None = None


class _Properties(msgspec.Struct):
    """The properties of an AMQP message that Celery repeats when it sends a call on."""

    priority: Count | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


class _Embed(msgspec.Struct, forbid_unknown_fields=True):
    """What follows a call: the third part of a body in protocol 2."""

    callbacks: list[Signature] | None = None
    errbacks: list[Signature] | None = None
    chain: list[Signature] | None = None
    chord: Signature | None = None


_NOTHING: Final = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
#: How a body says that nothing follows, in each serializer; such a body needs no further look.
_TRIVIAL: Final = frozenset(
    (msgspec.msgpack.encode(_NOTHING), msgspec.json.encode(_NOTHING), json.dumps(_NOTHING).encode())
)
_TIMES: Final = ("eta", "expires")
_MOST_LEVELS: Final = 64
_YEARS: Final = range(1970, 9000)  # the first and the last ones overflow in some time zones


@dataclass(frozen=True, slots=True)
class Call:
    """A message that has the shape of a call: its task, its body, and what a batch calls."""

    task: str
    body: Undecoded
    batch: message_body.BatchOutline | None


def check(message: Any) -> Call:
    """Check a message and return what it calls, without decoding its arguments.

    Raises ValueError, which says what is wrong, for a message that is no call; InputTooLarge or CorruptData for a body
    that is too large or does not decompress.
    """
    for part in ("headers", "properties", "delivery_info"):
        _check_depth(part, getattr(message, part))
    headers = msgspec.convert(message.headers, _Headers)
    msgspec.convert(message.properties or {}, _Properties)
    msgspec.convert((message.delivery_info or {}).get("priority"), Count | None)
    for name in _TIMES:
        _check_time(name, getattr(headers, name))
    body = undecoded(message)
    found = body.outline()
    if found.embed not in _TRIVIAL:
        _check_follow_ups(embed_of(found))
    return Call(headers.task, body, message_body.of_batch(found) if headers.task == BATCH else None)


def undecoded(message: Any) -> Undecoded:
    """Return the body of a message as it was sent.

    Raises InputTooLarge, and InvalidArguments for a content type that is neither MessagePack nor JSON.
    """
    if len(message.body or b"") > body_limit():
        raise InputTooLarge(f"the message's body has more than {body_limit():,} bytes")
    if message.content_type not in (message_body.MSGPACK, message_body.JSON):
        kind = str(message.content_type)[:80]
        raise InvalidArguments(f"a message of type {kind!r} cannot be decoded; send msgpack or json")
    body = message.body or b""
    text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    return Undecoded(text, message.content_type, str(message.headers.get("compression") or ""))


def task_id(message: Any) -> str:
    """Return the id under which somebody may wait for a result, or "" where the message has no usable one."""
    for id in ((message.headers or {}).get("id"), (message.properties or {}).get("correlation_id")):
        try:
            return msgspec.convert(id, Id)
        except ValueError:
            continue
    return ""


def _check_follow_ups(content: dict[str, Any]) -> None:
    """Check what follows a call. Raises ValueError."""
    embed = msgspec.convert(content, _Embed)
    try:
        dumps(
            content, serializer="msgpack"
        )  # as it is sent on; JSON can carry numbers that MessagePack cannot
    except EncodeError as error:
        raise ValueError(f"what follows the call cannot be sent on: {error}") from None
    given = [*(embed.callbacks or ()), *(embed.errbacks or ()), *(embed.chain or ())]
    follow_ups.check([*given, embed.chord] if embed.chord else given)


def _check_depth(part: str, value: Any) -> None:
    """Raise ValueError where a value nests too deep: Celery hands it to a child by pickle, which recurses."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [inner for outer in level for inner in _contents(outer)]
        if not level:
            return
    raise ValueError(f"its {part} are nested deeper than {_MOST_LEVELS} levels")


def _contents(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _check_time(name: str, value: Any) -> None:
    """Raise ValueError where a header is no time that Celery can compute with."""
    if value is None:
        return
    try:
        time = (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{name}` is no time in ISO 8601") from None
    if time.year not in _YEARS:
        raise ValueError(f"`{name}` is in the year {time.year}")
