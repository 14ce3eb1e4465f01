"""The quarantine: messages set aside because they killed their process again and again, or no worker could read them.

They stay in the state store until an operator decides, with `wasmfleet quarantine list|show|retry|drop`.
"""

import time
import uuid
from typing import Any, Final, Literal

import msgspec
from kombu.exceptions import EncodeError
from redis.exceptions import ResponseError

from wasmfleet.workers.errors import InvalidArguments
from wasmfleet.workers.fleet_state import deadly_messages, state
from wasmfleet.workers.node import digests
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted import redis_reads

KEPT_BYTES: Final = 1 << 20
MOST_ENTRIES: Final = 10_000
_KEY: Final = "wasmfleet:quarantine"
_RETRIED: Final = "wasmfleet:quarantine:retried:"
_RETRY_S: Final = 30
_MOST_BYTES: Final = 2 * KEPT_BYTES  # of a whole entry, its message included
_LAST_TIME: Final = 1e11

Kind = Literal["killed", "refused"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A kept message, with all that is needed to publish it again."""

    body: bytes
    content_type: str
    content_encoding: str
    headers: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message set aside, and why. `message` is None where its content was not kept; `not_kept` says why.

    A message that killed workers is kept by the broker and never decoded; `whole` is its delivery tag there. `at` is
    a Unix time. `digest` is that of the body, `input_digest` that of one call's arguments.
    """

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
    whole: str | None = None


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
    whole: str | None = None,
    **more: Any,
) -> Entry:
    """Make an entry with the message's keyed digest, and its content unless that may be secret or is too large."""
    not_kept = _why_not_kept(secret, message, whole)
    return Entry(
        id=storable(id, addresses=True),
        kind=kind,
        reason=storable(reason),
        operation=storable(operation),
        queue=storable(queue),
        worker=worker,
        at=time.time(),
        digest=digests.of(message.body) or "",
        size_bytes=len(message.body),
        message=None if not_kept else message,
        not_kept=not_kept,
        whole=whole,
        **more,
    )


def keep(entry: Entry) -> bool:
    """Store an entry. Returns False where the quarantine is full. Raises redis.RedisError."""
    store = state.shared()

    def write() -> bool:
        if store.hlen(_KEY) >= MOST_ENTRIES and not store.hexists(_KEY, entry.id):
            return False
        store.hset(_KEY, entry.id, _packed(entry))
        return True

    return redis_reads.healed(store, {_KEY: "hash"}, write)


def entries() -> list[Entry]:
    """List all entries, newest first; whatever else lies under the key is skipped. Raises redis.RedisError."""
    stored = redis_reads.entries(state.shared(), _KEY, MOST_ENTRIES, _MOST_BYTES)
    found = [_entry(id, packed) for id, packed in stored]
    return sorted((one for one in found if one is not None), key=lambda entry: entry.at, reverse=True)


def get(id: str) -> Entry:
    """Return the entry with this id. Raises InvalidArguments, redis.RedisError."""
    [packed] = redis_reads.fields(state.shared(), _KEY, [_bytes(id)], _MOST_BYTES)
    found = None if packed is None else _entry(_bytes(id), packed)
    if found is None:
        raise InvalidArguments(
            f"nothing with the id {id[:80]!r} is set aside; `wasmfleet quarantine list` shows what is"
        )
    return found


def whole_id(beginning: str) -> str:
    """Return the id of the one entry whose id begins so; an id that is complete stands for itself.

    Raises InvalidArguments where none begins so, or several do, and redis.RedisError.
    """
    ids = [entry.id for entry in entries() if entry.id.startswith(beginning)]
    if beginning in ids or not ids:
        return get(beginning).id
    if len(ids) > 1:
        raise InvalidArguments(f"{len(ids)} entries begin with {beginning[:80]!r}; give more of the id")
    return ids[0]


def count() -> int:
    """Count the entries; 0 where their key holds something else. Raises redis.RedisError."""
    try:
        number: Any = state.shared().hlen(_KEY)
    except ResponseError as error:
        redis_reads.skip("the hash", _KEY, error)
        return 0
    return int(number)


def drop(id: str) -> None:
    """Delete an entry, and its message at the broker, for good. Raises InvalidArguments, redis.RedisError."""
    if whole := get(id).whole:
        deadly_messages.forget(whole)
    state.shared().hdel(_KEY, _bytes(id))


def retry(id: str) -> str:
    """Publish an entry's message again as a new task, drop the entry, and return the new task's id.

    Raises InvalidArguments where the message was not kept, cannot be sent, or is being sent again at this moment.
    """
    found = get(id)
    if (found.message is None and found.whole is None) or not found.queue:
        why = found.not_kept or "the queue it came from is not known"
        raise InvalidArguments(f"{id}: {why}; send the call again yourself")
    if not state.shared().set(_bytes(_RETRIED + id), b"", nx=True, ex=_RETRY_S):
        raise InvalidArguments(f"{id} is being sent again at this moment")
    new = str(uuid.uuid4())
    try:
        _send_again(found, new)
    except (EncodeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"{id}: its message cannot be sent again: {error}") from None
    drop(id)
    state.shared().delete(_bytes(_RETRIED + id))
    return new


def _send_again(entry: Entry, id: str) -> None:
    if entry.whole is not None:
        deadly_messages.send_again(entry.whole, entry.queue, id)
    elif entry.message is not None:
        _send(entry.message, entry.queue, id)


def _send(message: Message, queue: str, id: str) -> None:
    # Not at the top: making the app reads the data folder, and a command must start to report that it is refused.
    from wasmfleet.workers.app import app

    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            message.body,
            routing_key=queue,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=message.headers | {"id": id, "root_id": id, "parent_id": None},
            correlation_id=id,
            retry=True,
        )


def _packed(entry: Entry) -> bytes:
    """Encode an entry for the store, without its message where large headers make the entry too large."""
    packed = msgspec.msgpack.encode(entry)
    if len(packed) + len(entry.id) * 4 <= _MOST_BYTES:
        return packed
    why = f"with its headers it has more than the {_MOST_BYTES:,} bytes that are kept"
    return msgspec.msgpack.encode(msgspec.structs.replace(entry, message=None, not_kept=why))


def _entry(id: bytes, packed: bytes) -> Entry | None:
    found = redis_reads.decoded("the quarantine's entry", id, packed, Entry)
    if found is not None and (_bytes(found.id) != id or not 0 <= found.at < _LAST_TIME):
        redis_reads.skip("the quarantine's entry", id, "it names another id, or an impossible time")
        return None
    return found


def _bytes(id: str) -> bytes:
    """Encode an id as it is stored; an id typed at a terminal may hold any bytes."""
    return id.encode(errors="surrogateescape")


def _why_not_kept(secret: bool, message: Message, whole: str | None) -> str:
    if whole is not None:
        return "the broker keeps it undecoded, because it killed workers"
    if secret:
        return "arguments that may be secret are never kept"
    if len(message.body) > KEPT_BYTES:
        return f"it has {len(message.body):,} bytes; at most {KEPT_BYTES:,} are kept"
    return ""
