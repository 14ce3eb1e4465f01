"""Take a message apart and put it together again: kombu's outer JSON, and the body in it."""

import base64
import binascii
import hashlib
import json
import random
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgpack

from tests.attack import values
from wasmfleet.config.celery import DEFAULT, OURS

_PLAIN_TAG: Final = re.compile(r"[!-~]{1,255}\Z")
_MOST_HEAD: Final = 262_144
_DEEP: Final = (b"[" * 100, b'{"a": ' * 100)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of the attacker, and the list that it goes to; empty if it goes elsewhere."""

    kind: str
    list: str
    raw: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:12]


def opened(raw: bytes) -> dict[str, Any]:
    """Decode the outer JSON of a well-formed message."""
    outer: dict[str, Any] = json.loads(raw)
    return outer


def body_of(outer: dict[str, Any]) -> bytes:
    """Return the body's bytes as the client serialized them."""
    body = outer["body"]
    if outer["properties"].get("body_encoding") == "base64":
        return base64.b64decode(body)
    return str(body).encode()


def with_body(outer: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return the same message with another body."""
    properties = outer["properties"] | {"body_encoding": "base64"}
    return outer | {"body": base64.b64encode(body).decode(), "properties": properties}


def content_of(outer: dict[str, Any]) -> Any:
    """Decode the body: a list of args, kwargs and embed, or a broadcast's command."""
    body = body_of(outer)
    if outer["content-type"] == "application/json":
        return json.loads(body)
    return msgpack.unpackb(body, strict_map_key=False)


def with_content(outer: dict[str, Any], content: Any) -> dict[str, Any]:
    """Return the same message with another value in its body, as JSON if MessagePack cannot carry the value."""
    if outer["content-type"] == "application/json":
        return with_body(outer, values.to_json(content))
    try:
        return with_body(outer, values.to_msgpack(content))
    except (OverflowError, ValueError, TypeError):
        as_json = {"content-type": "application/json", "content-encoding": "utf-8"}
        return with_body(outer | as_json, values.to_json(content))


def renamed(outer: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the same message with a new id and a new delivery tag."""
    new = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    tag = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    headers = outer["headers"] | {"id": new, "root_id": new}
    properties = outer["properties"] | {"correlation_id": new, "delivery_tag": tag}
    return outer | {"headers": headers, "properties": properties}


def usable_id(raw: bytes) -> str:
    """Return the id under which a client might wait for a result; empty if no client can have sent the message."""
    outer = _well_formed(raw)
    if outer is None:
        return ""
    for id in ((outer.get("headers") or {}).get("id"), outer["properties"].get("correlation_id")):
        if isinstance(id, str) and 0 < len(id) <= 1000 and not _SURROGATE.search(id):
            return id
    return ""


def wants_result(raw: bytes) -> bool:
    """Whether the sender wants a result, that is, did not set `ignore_result`."""
    headers = (_well_formed(raw) or {}).get("headers") or {}
    return not headers.get("ignore_result")


def may_be_unreadable(raw: bytes) -> bool:
    """Whether a message may be set aside before its id is read.

    Kombu may fail at typed values in the outer JSON, parsers stop at some depth of nesting, and the broker's script
    reads at most 256 KiB of what is not the body.
    """
    outer = _well_formed(raw) or {}
    head = values.to_json({name: part for name, part in outer.items() if name != "body"})
    return b"__type__" in head or len(head) > _MOST_HEAD or any(deep in head for deep in _DEEP)


def may_be_left(name: str, raw: bytes) -> bool:
    """Whether a message may stay in its list: in Celery's default queue, what may call no operation is for others."""
    if not name.startswith(DEFAULT):
        return False
    outer = _well_formed(raw) or {}
    task = (outer.get("headers") or {}).get("task")
    is_ours = isinstance(task, str) and task.startswith(OURS)
    return (
        not is_ours
        or may_be_unreadable(raw)
        or bool(_SURROGATE.search(json.dumps(outer, ensure_ascii=False)))
    )


def waits_until_later(raw: bytes) -> bool:
    """Whether a message names a future time for its call; a worker holds it until then."""
    eta = ((_well_formed(raw) or {}).get("headers") or {}).get("eta")
    try:
        time = datetime.fromisoformat(eta)
    except (TypeError, ValueError):
        return False
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)) > datetime.now(UTC)
    except OverflowError:
        return True


def waits_for_a_sandbox(raw: bytes) -> bool:
    """Whether a worker sent this message back to wait until a sandbox is ready."""
    header = ((_well_formed(raw) or {}).get("headers") or {}).get("wasmfleet")
    return isinstance(header, dict) and "waited_for" in header


def delivery_tag(raw: bytes) -> str:
    """Return what tells a message from others if it has no id: its delivery tag, or a digest if the tag is unusable."""
    tag = ((_well_formed(raw) or {}).get("properties") or {}).get("delivery_tag")
    return tag if isinstance(tag, str) and _PLAIN_TAG.match(tag) else hashlib.sha1(raw).hexdigest()


def _well_formed(raw: bytes) -> dict[str, Any] | None:
    """Return a message's outer JSON if kombu can read it, else None."""
    try:
        outer = json.loads(raw.decode())
        if not isinstance(outer.get("headers"), dict | None) or not isinstance(outer.get("body"), str | None):
            return None
        properties = outer["properties"]
        if not isinstance(properties.setdefault("delivery_info", {}), dict):
            return None
        if properties.get("body_encoding") not in (None, "", "base64"):
            return None
        if properties.get("body_encoding"):
            base64.b64decode(outer["body"].encode())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None
    kinds = (outer.get("content-type"), outer.get("content-encoding"))
    return outer if all(isinstance(kind, str | None) for kind in kinds) else None
