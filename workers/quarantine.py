"""Messages set aside: what killed its process again and again, and what no worker could read.

Kept in the state store until somebody decides: `wasmfleet quarantine list|show|retry|drop`.
"""

import time
import uuid
from typing import Any, Final, Literal

import msgspec

from wasmfleet.workers import digests, state
from wasmfleet.workers.errors import InvalidArguments

KEPT_BYTES: Final = 1 << 20
MOST_ENTRIES: Final = 10_000
_KEY: Final = "wasmfleet:quarantine"
_RETRIED: Final = "wasmfleet:quarantine:retried:"
_RETRY_S: Final = 30

Kind = Literal["killed", "refused"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it can be published again."""

    body: bytes
    content_type: str
    content_encoding: str
    headers: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message set aside, and why. `message` is None where its content was not kept; `not_kept` says why."""

    id: str
    kind: Kind
    reason: str
    operation: str
    queue: str
    worker: str
    at: float
    digest: str
    size_bytes: int
    input_digest: str | None = None
    module_sha256: str | None = None
    message: Message | None = None
    not_kept: str = ""


def entry(
    id: str,
    kind: Kind,
    reason: str,
    *,
    operation: str,
    queue: str,
    worker: str,
    message: Message,
    secret: bool,
    **more: Any,
) -> Entry:
    """An entry with the message's keyed digest, and its content unless that may be secret or is too large."""
    not_kept = _why_not_kept(secret, message)
    return Entry(
        id=written(id),
        kind=kind,
        reason=written(reason),
        operation=written(operation),
        queue=written(queue),
        worker=worker,
        at=time.time(),
        digest=digests.of(message.body) or "",
        size_bytes=len(message.body),
        message=None if not_kept else message,
        not_kept=not_kept,
        **more,
    )


def keep(entry: Entry) -> bool:
    """Stores an entry; False where the quarantine is full. Raises redis.RedisError."""
    store = state.shared()
    if store.hlen(_KEY) >= MOST_ENTRIES and not store.hexists(_KEY, entry.id):
        return False
    store.hset(_KEY, entry.id, msgspec.msgpack.encode(entry))
    return True


def entries() -> list[Entry]:
    """Everything set aside, newest first."""
    values: list[Any] = state.shared().hvals(_KEY)
    found = [msgspec.msgpack.decode(value, type=Entry) for value in values]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def get(id: str) -> Entry:
    """The entry with this id. Raises InvalidArguments."""
    found: Any = state.shared().hget(_KEY, id)
    if found is None:
        raise InvalidArguments(f"nothing with the id {id[:80]!r} is set aside; `wasmfleet quarantine list`")
    return msgspec.msgpack.decode(found, type=Entry)


def count() -> int:
    number: Any = state.shared().hlen(_KEY)
    return int(number)


def drop(id: str) -> None:
    """Forgets an entry for good."""
    state.shared().hdel(_KEY, id)


def retry(id: str) -> str:
    """Publishes an entry's message again, as a new task whose id it gives, and drops the entry."""
    from wasmfleet.workers.app import app

    found = get(id)
    if found.message is None or not found.queue:
        why = found.not_kept or "the queue it came from is not known"
        raise InvalidArguments(f"{id}: {why}; send the call again yourself")
    if not state.shared().set(_RETRIED + id, b"", nx=True, ex=_RETRY_S):
        raise InvalidArguments(f"{id} is being sent again at this moment")
    new = str(uuid.uuid4())
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            found.message.body,
            routing_key=found.queue,
            content_type=found.message.content_type,
            content_encoding=found.message.content_encoding,
            headers=found.message.headers | {"id": new, "root_id": new, "parent_id": None},
            correlation_id=new,
            retry=True,
        )
    drop(id)
    state.shared().delete(_RETRIED + id)
    return new


def written(value: Any) -> str:
    """As text that can be stored, whatever it is."""
    return str(value)[:1000].encode(errors="replace").decode()


def _why_not_kept(secret: bool, message: Message) -> str:
    if secret:
        return "arguments that may be secret are never kept"
    if len(message.body) > KEPT_BYTES:
        return f"its {len(message.body):,} bytes are over the {KEPT_BYTES:,} that are kept"
    return ""
