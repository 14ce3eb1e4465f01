"""Where results are kept: Celery's Redis backend, speaking MessagePack to those who asked for it.

An unconfigured Celery client reads JSON only; a call that came from this package asks for MessagePack
in its header, which carries bytes without base64.
"""

from typing import Any

from celery import current_task
from celery.backends.redis import RedisBackend
from kombu.serialization import dumps, loads

from wasmfleet.config import celery as queues


class Results(RedisBackend):
    """Stores each result in the serializer its caller reads."""

    def encode(self, data: Any) -> Any:
        if _asked_for_msgpack():
            return dumps(data, serializer="msgpack")[2]
        return super().encode(data)

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
