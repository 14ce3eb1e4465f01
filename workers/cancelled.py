"""Calls that were cancelled: noted in the state store, so that workers started later know as well."""

import time
from collections.abc import Sequence
from typing import Any, Final

from celery.worker import state as worker_state

from wasmfleet.workers import state

_KEY: Final = "wasmfleet:cancelled"
_VERSION: Final = "wasmfleet:cancelled:version"
_FORGET_S: Final = 86_400.0


def note(task_ids: Sequence[str]) -> None:
    """Remembers for a day that these are not to be run. Raises redis.RedisError."""
    now = time.time()
    with state.shared().pipeline() as pipe:
        pipe.zadd(_KEY, dict.fromkeys(task_ids, now))
        pipe.zremrangebyscore(_KEY, "-inf", now - _FORGET_S)
        pipe.incr(_VERSION)
        pipe.execute()


def learn(known: bytes | None = None) -> bytes:
    """Lets this worker skip everything noted: Celery's own list of revoked calls lives in memory only.

    Gives a version of what was noted; of the `known` version nothing is read again.
    """
    version: Any = state.shared().get(_VERSION) or b""
    if version != known:
        ids: list[Any] = state.shared().zrange(_KEY, 0, -1)
        worker_state.revoked.update(id.decode() for id in ids)
    return bytes(version)
