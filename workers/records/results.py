"""Where results are kept: Celery's Redis backend, speaking MessagePack to those who asked for it.

An unconfigured Celery client reads JSON only; a call that came from this package asks for MessagePack
in its header, which carries bytes without base64.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from celery import current_task, group, states
from celery.backends.redis import RedisBackend, ResultConsumer  # type: ignore[attr-defined]
from celery.exceptions import TaskRevokedError
from celery.utils.log import get_task_logger
from kombu.exceptions import EncodeError
from kombu.serialization import dumps, loads
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.again import Again, LargeResultRefused, ResultRefused
from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.errors import OutputTooLarge, UnreadableResult, WasmfleetError
from wasmfleet.workers.records import stored
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import sealed_calls

_LOOK_S: Final = 1.0
_PATIENCE_S: Final = (
    3.0  # with a store that does not answer; less than the grace between a call's limit and its kill
)
_LARGE_BYTES: Final = 1 << 20
_AWAY: Final = (RedisConnectionError, RedisTimeoutError, ReadOnlyError)
_PROBE: Final = "wasmfleet:probe"
_logger = get_task_logger(__name__)


class _Large(RedisError):
    """A large value was not stored."""


class PatientConsumer(ResultConsumer):  # type: ignore[misc]
    """Celery's, but who waits for a result waits for its store too, as long as they said they would."""

    _pubsub: Any

    def start(self, initial_task_id: str, **_: Any) -> None:
        """Celery's, but whoever else waited before the store was lost is subscribed again as well."""
        with self._locked():
            self.subscribed_to.add(self._get_key_for_task(initial_task_id))
            self._ensure(self._reconnect_pubsub, ())

    def on_wait_for_pending(self, result: Any, **kwargs: Any) -> None:
        """Looks for what is there already; where the store is away, the first look of `drain_events` does."""
        try:
            super().on_wait_for_pending(result, **kwargs)
        except _AWAY as error:
            if isinstance(error, AuthenticationError):
                raise
            self._pubsub = None

    def _reconnect_pubsub(self) -> None:
        """Celery's (5.7), which reads what is stored without knowing of which call it is: what is no result names
        none itself. Those that still wait are looked for once more."""
        super()._reconnect_pubsub()
        for key in self.subscribed_to - self._pending_unsubscribe:
            meta = self.backend.get_task_meta(self.backend.task_id_of(key))
            if meta["status"] in states.READY_STATES:
                self.on_state_change(meta, None)

    def on_state_change(self, meta: Any, message: Any) -> None:
        """Celery's. A result that came by publish and subscribe is that of its channel, whatever it says."""
        if message is not None:
            meta["task_id"] = self.backend.task_id_of(message["channel"])
        if meta.get("task_id"):
            super().on_state_change(meta, message)

    def drain_events(self, timeout: float | None = None) -> None:
        """One look. Where the store is lost and does not come back at once, the next look tries again."""
        try:
            if self._pubsub is None and self.subscribed_to:
                self._reconnect_pubsub()
            super().drain_events(timeout)
        except (*_AWAY, RuntimeError) as error:
            lost = error.__cause__ if isinstance(error, RuntimeError) else error
            if not isinstance(lost, _AWAY) or isinstance(lost, AuthenticationError):
                raise
            time.sleep(timeout or _LOOK_S)


class Results(RedisBackend):
    """Stores each result in the serializer its caller reads."""

    ResultConsumer = PatientConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Once, for a connection that the server has closed; the rest is `ensure`'s, which counts seconds.
        self.connparams["retry"] = Retry(NoBackoff(), 1)  # type: ignore[attr-defined]

    def encode(self, data: Any) -> Any:
        if _asked_for_msgpack():
            return dumps(data, serializer="msgpack")[2]
        return super().encode(data)

    def mark_as_done(self, *args: Any, **kwargs: Any) -> Any:
        with _stored_or_again():
            return super().mark_as_done(*args, **kwargs)

    def mark_as_failure(self, *args: Any, **kwargs: Any) -> Any:
        with _stored_or_again():
            return super().mark_as_failure(*args, **kwargs)

    def _call_task_errbacks(self, request: Any, exc: Any, traceback: Any) -> None:
        """Sends the errbacks as tasks. Celery calls some of them here, past their lane and their log (5.7,
        backends/base.py); one that cannot be sent is no reason for this call's end to be lost."""
        try:
            own: Any = self.app  # type: ignore[attr-defined]
            if follow := [own.signature(errback) for errback in request.errbacks or ()]:
                root = request.root_id or request.id
                group(follow, app=own).apply_async((request.id,), parent_id=request.id, root_id=root)
        except RedisError:
            raise
        except Exception as error:  # noqa: BLE001 - a sender wrote them
            _logger.warning("the errbacks of call %s cannot be sent: %s", request.id, error)

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        """Celery's; of a call that was revoked for a typed error, that error. A result that cannot be written has a
        row that says ok, and was too large for this process in the form its reader wants."""
        if isinstance(exc, EncodeError):
            exc = OutputTooLarge(f"the result cannot be written: {storable(exc)}")
        why = exc.args[0] if isinstance(exc, TaskRevokedError) and exc.args else None
        return super().prepare_exception(why if isinstance(why, WasmfleetError) else exc, serializer)

    def get(self, key: Any) -> Any:
        """Celery's, tried again as its `set` is: it looks for a result before it stores one. Raises
        UnreadableResult where what is stored is no text, or larger than any result."""
        try:
            found = self.ensure(self.client.getrange, (key, 0, most_bytes()))
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise UnreadableResult("what is stored as the call's result is none: it is no text") from None
        return _small(found)

    def set(self, key: Any, value: Any, **policy: Any) -> Any:
        """Celery's. A store may be there for others, and too slow or too small for a large result."""
        if len(value) > most_bytes():
            raise _Large(f"{len(value):,} bytes, and nobody reads more than {most_bytes():,}")
        try:
            return super().set(key, value, **policy)
        except RedisError as error:
            if len(value) < _LARGE_BYTES:
                raise
            raise _Large(f"{len(value):,} bytes: {error}") from error

    def ensure(self, fun: Any, args: Any, **policy: Any) -> Any:
        return super().ensure(fun, args, **queues.jittered(self.retry_policy | policy), timeout=_PATIENCE_S)

    def decode_result(self, payload: Any) -> Any:
        """Celery's, opened where it is sealed; what is no result is a failed call whose error says so."""
        try:
            meta = self.meta_from_decoded(stored.checked(self.decode(_small(payload)), self.app))  # type: ignore[attr-defined]
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
        """Celery's, which makes any class that a loaded module has by the stored name."""
        return exc if isinstance(exc, BaseException) else stored.error_of(exc)

    def task_id_of(self, key: Any) -> str:
        """The call whose result is stored under this key, and published under it."""
        found: str = self._strip_prefix(key)  # type: ignore[attr-defined]
        return found

    def _get_task_meta_for(self, task_id: Any) -> Any:
        try:
            meta = super()._get_task_meta_for(task_id)  # type: ignore[misc]
        except UnreadableResult as error:
            meta = _unreadable(error)
        return meta if meta["status"] == states.PENDING else meta | {"task_id": task_id}

    def _restore_group(self, group_id: Any) -> Any:
        """Celery's, for a group that a client saved."""
        try:
            return super()._restore_group(group_id)  # type: ignore[misc]
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            kind = type(error).__name__
            raise UnreadableResult(f"what is stored as the group {group_id!r} is none ({kind})") from None

    def decode(self, payload: Any) -> Any:
        content = payload.encode() if isinstance(payload, str) else payload
        if content[:1] in (b"{", b"["):
            return super().decode(payload)
        return loads(
            content,
            content_type="application/x-msgpack",
            content_encoding="binary",
            accept={"application/x-msgpack"},
        )


@contextlib.contextmanager
def _stored_or_again() -> Iterator[None]:
    """In a child, a result that cannot be stored is no failure of the call: it runs again."""
    try:
        yield
    except RedisError as error:
        if not current_task:
            raise
        raise _again_for(error)(f"its result cannot be stored: {error}") from error


def _again_for(error: RedisError) -> type[Again]:
    if isinstance(error, _Large):
        return LargeResultRefused
    return Again if isinstance(error, _AWAY) else ResultRefused


def most_bytes() -> int:
    """Of a stored result. A batch's answers are one result, and may be larger than one reply."""
    return 4 * settings().max_output * MIB


def _small(payload: Any) -> Any:
    if len(payload or b"") > most_bytes():
        raise UnreadableResult(
            f"what is stored as the call's result has more than {most_bytes():,} bytes; "
            "WASMFLEET_MAX_OUTPUT sets a fourth of it in MiB"
        )
    return payload


def _unreadable(error: WasmfleetError) -> dict[str, Any]:
    return {"status": states.FAILURE, "result": error, "task_id": "", "traceback": None, "children": []}


def probe() -> None:
    """Raises redis.RedisError where results cannot be stored."""
    store: Any = app.backend
    store.client.setex(_PROBE, 60, b"")


def _asked_for_msgpack() -> bool:
    header = getattr(current_task.request, "wasmfleet", None) if current_task else None
    return bool(header and header.get("reply") == "msgpack")
