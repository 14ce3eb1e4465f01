"""Celery's Redis backend for results, which stores those of batches as MessagePack and all others as JSON.

An unconfigured Celery app reads JSON only, and any app may read a result by its id, or join it in a chord. A batch asks
for MessagePack in its header, which carries bytes without base64: nobody but its Batch reads it.

Whatever lies in the store was written by anybody who reaches it, so it is read as hostile (`stored.py`). Where the
store is away, a call runs again, for its result would be lost.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from celery import current_task, group, states
from celery.exceptions import TaskRevokedError
from celery.utils.log import get_task_logger
from kombu.exceptions import EncodeError
from kombu.serialization import dumps, loads
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.again import Again, LargeResultRefused, ResultRefused
from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.errors import BrokerUnavailable, OutputTooLarge, UnreadableResult, WasmfleetError
from wasmfleet.workers.internals.celery_results import RedisResults
from wasmfleet.workers.internals.redis_masters import LOST
from wasmfleet.workers.records import stored
from wasmfleet.workers.records.awaited import NOTE, PUBLISHED_BYTES, PatientConsumer
from wasmfleet.workers.records.repeating import repeating
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import sealed_calls

#: How long a store that does not answer is tried: less than the time between a call's limit and the kill of its child.
_PATIENCE_S: Final = 3.0
_LARGE_BYTES: Final = 1 << 20
PROBE: Final = "wasmfleet:probe"  # a key that means nothing: what can be written there can be written
_logger = get_task_logger(__name__)


class _Large(RedisError):
    """A large value was not stored."""


class Results(RedisResults):
    """Celery's Redis backend (5.7) with the differences that this module's docstring tells."""

    ResultConsumer = PatientConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One more try for a connection that the server has closed; `ensure` does the rest, and counts seconds.
        self.connect_with(retry=Retry(NoBackoff(), 1))

    def encode(self, data: Any) -> Any:
        """Write a result as its reader reads it; Celery's always takes one serializer."""
        if _asked_for_msgpack():
            return dumps(data, serializer="msgpack")[2]
        return super().encode(data)

    def on_task_call(self, producer: Any, task_id: Any) -> None:
        """Do nothing when a call is published; Celery's subscribes to its result already.

        Whoever waits subscribes, and reads what is stored already. Of a caller who does not, the results would pile up
        in a connection that nobody reads.
        """

    def mark_as_done(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value, as Celery's does. Raises Again in a child where it cannot be stored."""
        with _stored_or_again():
            return super().mark_as_done(*args, **kwargs)

    def mark_as_failure(self, *args: Any, **kwargs: Any) -> Any:
        """Store an error, as Celery's does. Raises Again in a child where it cannot be stored."""
        with _stored_or_again():
            return super().mark_as_failure(*args, **kwargs)

    def set_chord_size(self, *args: Any, **kwargs: Any) -> None:
        """Note how many calls a chord waits for. Raises BrokerUnavailable, and Again inside a call."""
        with _chord_stored():
            super().set_chord_size(*args, **kwargs)

    def apply_chord(self, *args: Any, **kwargs: Any) -> None:
        """Note what a chord is made of, as Celery does. Raises BrokerUnavailable, and Again inside a call."""
        with _chord_stored():
            super().apply_chord(*args, **kwargs)

    def send_errbacks(self, request: Any, error: Any, traceback: Any) -> None:
        """Send all errbacks of a failed call as messages.

        Celery's (5.7, backends/base.py) calls some of them in this process, where no lane limits and no log records
        them. One that cannot be sent is logged and left, so that the call's own end is not lost with it.
        """
        try:
            own: Any = self.app
            if follow := [own.signature(errback) for errback in request.errbacks or ()]:
                root = request.root_id or request.id
                group(follow, app=own).apply_async((request.id,), parent_id=request.id, root_id=root)
        except RedisError:
            raise
        except Exception as unsent:  # noqa: BLE001 - a sender wrote the errbacks
            _logger.warning("the errbacks of call %s cannot be sent: %s", request.id, unsent)

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        """Write an error as Celery's does, but an error of the fleet as `stored.written` says where its reader may not
        have this package. Two others become errors of the fleet.

        A call that was revoked with a typed error ends with that error. A result that kombu could not encode ends as
        OutputTooLarge: results hold plain values only, so what was missing is memory for the form that its reader
        wants. Its row in the log says ok, for the row was written before.
        """
        if isinstance(exc, EncodeError):
            exc = OutputTooLarge(f"the result cannot be written: {storable(exc)}")
        why = exc.args[0] if isinstance(exc, TaskRevokedError) and exc.args else None
        error = why if isinstance(why, WasmfleetError) else exc
        if isinstance(error, WasmfleetError) and not _asked_for_msgpack():
            return stored.written(error)
        return super().prepare_exception(error, serializer)

    def get(self, key: Any) -> Any:
        """Read what is stored under a key, with the tries of `ensure`; Celery's, which `set` calls too, tries once.

        Raises UnreadableResult where that is no text, or larger than any result.
        """
        try:
            found = self.ensure(self.client.getrange, (key, 0, most_bytes()))
        except ResponseError as error:
            if no_text := stored.no_text(error):
                raise no_text from None
            raise
        return _small(found)

    def set(self, key: Any, value: Any, expires: int | None = None, **policy: Any) -> Any:
        """Store a value as Celery's does, and tell of a large one by an error of its own.

        A store that is too slow or too small for a large result may take others all the same.
        """
        if len(value) > most_bytes():
            raise _Large(f"it has {len(value):,} bytes, and nobody reads more than {most_bytes():,}")
        try:
            return self.ensure(self._store, (key, value, expires), **policy)
        except RedisError as error:
            if len(value) < _LARGE_BYTES:
                raise
            raise _Large(f"it has {len(value):,} bytes: {error}") from error

    def _store(self, key: Any, value: Any, expires_s: int | None) -> None:
        """Store a result and publish it, as Celery does; to a caller with this package a large one is announced only.

        A client without this package takes nothing but the result itself, and may wait for any call. So a large result
        is published again later where somebody still listens for it.
        """
        is_large = len(value) > PUBLISHED_BYTES
        with self.client.pipeline() as pipe:
            pipe.set(key, value, ex=(self.expires if expires_s is None else expires_s) or None)
            pipe.publish(key, NOTE if is_large and _header() is not None else value)
            pipe.execute()
        if is_large and _is_json(value):
            repeating.note(self.client, key)

    def ensure(self, fun: Any, args: Any, **policy: Any) -> Any:
        """Call a function of redis-py until it answers, for at most 3 seconds; Celery's counts tries, not seconds."""
        return super().ensure(fun, args, **queues.jittered(self.retry_policy | policy), timeout=_PATIENCE_S)

    def decode_result(self, payload: Any) -> Any:
        """Read a result as Celery's mapping, and open it where it is sealed.

        What cannot be read becomes a failed call whose error says why; Celery's raises whatever its decoders raise.
        """
        try:
            meta = self.meta_from_decoded(stored.checked(self.decode(_small(payload)), self.app))
            if in_a_call():  # Celery hands results on to a chord's body; they stay sealed
                return meta
            return meta | {"result": sealed_calls.result(meta["result"])}
        except WasmfleetError as error:
            return _unreadable(error)
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            kind = type(error).__name__
            return _unreadable(
                UnreadableResult(f"what is stored as the call's result does not decode ({kind})")
            )

    def exception_to_python(self, exc: Any) -> Any:
        """Make the error that is stored, of a fixed list; Celery's makes any class of any loaded module."""
        return exc if isinstance(exc, BaseException) else stored.error_of(exc)

    def stored_meta(self, task_id: Any) -> Any:
        """Read the result of a call, which is told to be this call's whatever its content says."""
        try:
            meta = super().stored_meta(task_id)
        except UnreadableResult as error:
            meta = _unreadable(error)
        return meta if meta["status"] == states.PENDING else meta | {"task_id": task_id}

    def stored_group(self, group_id: Any) -> Any:
        """Read a group that a client saved. Raises UnreadableResult where what is stored is no group."""
        try:
            return super().stored_group(group_id)
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            kind = type(error).__name__
            raise UnreadableResult(f"what is stored as the group {group_id!r} is no group ({kind})") from None

    def decode(self, payload: Any) -> Any:
        """Decode JSON or MessagePack, whichever the first byte tells; Celery's reads one serializer alone."""
        content = payload.encode() if isinstance(payload, str) else payload
        if _is_json(content):
            return super().decode(payload)
        return loads(
            content,
            content_type="application/x-msgpack",
            content_encoding="binary",
            accept={"application/x-msgpack"},
        )


@contextlib.contextmanager
def _stored_or_again() -> Iterator[None]:
    """In a child, let a call run again whose result cannot be stored; elsewhere raise what redis-py raises."""
    try:
        yield
    except RedisError as error:
        if not in_a_call():
            raise
        raise _again_for(error)(f"what it came to cannot be stored: {error}") from error


@contextlib.contextmanager
def _chord_stored() -> Iterator[None]:
    try:
        with _stored_or_again():
            yield
    except RedisError as error:
        told = str(error).rstrip(".")
        reason = f"the store of results does not answer: {told}; nothing of the chord was queued"
        raise BrokerUnavailable(reason) from error


def _again_for(error: RedisError) -> type[Again]:
    if isinstance(error, _Large):
        return LargeResultRefused
    return Again if isinstance(error, LOST) else ResultRefused


def most_bytes() -> int:
    """Return how many bytes a stored result may have: a batch's answers are one result, larger than one reply."""
    return 4 * settings().max_output * MIB


def _is_json(content: bytes | str) -> bool:
    """Tell JSON from MessagePack. The latter begins a mapping of up to 15 entries, or a list, with another byte."""
    return content[:1] in (b"{", b"[", "{", "[")


def _small(payload: Any) -> Any:
    if len(payload or b"") > most_bytes():
        raise UnreadableResult(
            f"what is stored as the call's result has more than {most_bytes():,} bytes; "
            "WASMFLEET_MAX_OUTPUT sets a fourth of it in MiB"
        )
    return payload


def _unreadable(error: WasmfleetError) -> dict[str, Any]:
    """Return the mapping of a call that failed with this error, as Celery reads it."""
    return {"status": states.FAILURE, "result": error, "task_id": "", "traceback": None, "children": []}


def probe() -> None:
    """Try to store something. Raises redis.RedisError where results cannot be stored."""
    store: Any = app.backend
    store.client.setex(PROBE, 60, b"")


def _asked_for_msgpack() -> bool:
    """Whether the result of the current call is read by this package alone."""
    return (_header() or {}).get("reply") == queues.SERIALIZER


def _header() -> Any:
    """Return the header that this package gives its calls, of the call that runs; None where another client sent it."""
    return getattr(current_task.request, "wasmfleet", None) if in_a_call() else None
