"""Where results are kept: Celery's Redis backend, speaking MessagePack to those who asked for it.

An unconfigured Celery client reads JSON only; a call that came from this package asks for MessagePack
in its header, which carries bytes without base64.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from celery import current_task, group
from celery.backends.redis import RedisBackend, ResultConsumer  # type: ignore[attr-defined]
from celery.exceptions import TaskRevokedError
from celery.utils.log import get_task_logger
from kombu.serialization import dumps, loads
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from wasmfleet.config import celery as queues
from wasmfleet.workers.again import Again, LargeResultRefused, ResultRefused
from wasmfleet.workers.errors import WasmfleetError

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
            app: Any = self.app  # type: ignore[attr-defined]
            if follow := [app.signature(errback) for errback in request.errbacks or ()]:
                root = request.root_id or request.id
                group(follow, app=app).apply_async((request.id,), parent_id=request.id, root_id=root)
        except RedisError:
            raise
        except Exception:
            _logger.exception("the errbacks of call %s cannot be sent", request.id)

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        """Celery's; of a call that was revoked for a typed error, that error."""
        why = exc.args[0] if isinstance(exc, TaskRevokedError) and exc.args else None
        return super().prepare_exception(why if isinstance(why, WasmfleetError) else exc, serializer)

    def get(self, key: Any) -> Any:
        """Celery's, tried again as its `set` is: it looks for a result before it stores one."""
        return self.ensure(super().get, (key,))

    def set(self, key: Any, value: Any, **policy: Any) -> Any:
        """Celery's. A store may be there for others, and too slow or too small for a large result."""
        try:
            return super().set(key, value, **policy)
        except RedisError as error:
            if len(value) < _LARGE_BYTES:
                raise
            raise _Large(f"{len(value):,} bytes: {error}") from error

    def ensure(self, fun: Any, args: Any, **policy: Any) -> Any:
        return super().ensure(fun, args, **queues.jittered(self.retry_policy | policy), timeout=_PATIENCE_S)

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


def probe() -> None:
    """Raises redis.RedisError where results cannot be stored."""
    from wasmfleet.workers.app import app

    store: Any = app.backend
    store.client.setex(_PROBE, 60, b"")


def _asked_for_msgpack() -> bool:
    header = getattr(current_task.request, "wasmfleet", None) if current_task else None
    return bool(header and header.get("reply") == "msgpack")
