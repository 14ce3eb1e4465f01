"""Where results are kept: Celery's Redis backend, speaking MessagePack to those who asked for it.

An unconfigured Celery client reads JSON only; a call that came from this package asks for MessagePack
in its header, which carries bytes without base64.
"""

import time
from typing import Any, Final

from celery import current_task
from celery.backends.redis import RedisBackend, ResultConsumer  # type: ignore[attr-defined]
from kombu.serialization import dumps, loads
from redis.exceptions import RedisError

from wasmfleet.config import celery as queues

_LOOK_S: Final = 1.0


class PatientConsumer(ResultConsumer):  # type: ignore[misc]
    """Celery's, but who waits for a result waits for its store too, as long as they said they would."""

    def start(self, initial_task_id: str, **_: Any) -> None:
        """Celery's, but whoever else waited before the store was lost is subscribed again as well."""
        with self._locked():
            self.subscribed_to.add(self._get_key_for_task(initial_task_id))
            self._ensure(self._reconnect_pubsub, ())

    def drain_events(self, timeout: float | None = None) -> None:
        """One look. Where the store is lost and does not come back at once, the next look tries again."""
        try:
            if self._pubsub is None and self.subscribed_to:
                self._reconnect_pubsub()
            super().drain_events(timeout)
        except (RedisError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not isinstance(error.__cause__, RedisError):
                raise
            time.sleep(timeout or _LOOK_S)


class Results(RedisBackend):
    """Stores each result in the serializer its caller reads."""

    ResultConsumer = PatientConsumer

    def encode(self, data: Any) -> Any:
        if _asked_for_msgpack():
            return dumps(data, serializer="msgpack")[2]
        return super().encode(data)

    def get(self, key: Any) -> Any:
        """Celery's, tried again as its `set` is: it looks for a result before it stores one."""
        return self.ensure(super().get, (key,))

    def ensure(self, fun: Any, args: Any, **policy: Any) -> Any:
        return super().ensure(fun, args, **queues.jittered(self.retry_policy | policy))

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


def _asked_for_msgpack() -> bool:
    header = getattr(current_task.request, "wasmfleet", None) if current_task else None
    return bool(header and header.get("reply") == "msgpack")
