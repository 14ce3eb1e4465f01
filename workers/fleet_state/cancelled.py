"""Ids of cancelled calls, kept for a day in the state store, so that workers that start later skip them as well."""

import time
from collections.abc import Sequence
from typing import Final

from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import redis_reads

_KEY: Final = "wasmfleet:cancelled"
_VERSION: Final = "wasmfleet:cancelled:version"
_FORGET_S: Final = 86_400.0
_MOST_ID_BYTES: Final = 4000  # an id has at most 1,000 characters


def note(task_ids: Sequence[str]) -> None:
    """Record for a day that these calls must not run. Raises redis.RedisError."""
    store, now = state.shared(), time.time()

    def write() -> None:
        with store.pipeline() as pipe:
            pipe.zadd(_KEY, dict.fromkeys(task_ids, now))
            pipe.zremrangebyscore(_KEY, "-inf", now - _FORGET_S)
            pipe.incr(_VERSION)
            pipe.execute()

    redis_reads.healed(store, {_KEY: "zset", _VERSION: "number"}, write)


def learn(known: bytes | None = None) -> bytes:
    """Add all cancelled calls to this worker's list of revoked ones, which Celery keeps in memory only.

    Returns a version of the stored ids. Where it still equals `known`, nothing is read. Raises redis.RedisError.
    """
    from celery.worker import state as worker_state

    store = state.shared()
    version = dict(redis_reads.strings("the number", store, [_VERSION.encode()], 20)).get(
        _VERSION.encode(), b""
    )
    if version != known:
        # Only as many as Celery's list holds, and the newest last, because it drops the oldest entries first.
        noted = list(redis_reads.members(store, _KEY, worker_state.REVOKES_MAX, _MOST_ID_BYTES))
        worker_state.revoked.update(id.decode(errors="replace") for id in reversed(noted))
    return version
