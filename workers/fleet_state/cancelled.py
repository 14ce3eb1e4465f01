"""Ids of cancelled calls, kept for a day in the state store, so that workers that start later skip them as well."""

import time
from collections.abc import Sequence
from typing import Final

from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import redis_reads

_KEY: Final = "wasmfleet:cancelled"
#: A number that rises with each change; a worker reads it with every heartbeat, and the ids only where it changed.
VERSION: Final = "wasmfleet:cancelled:version"
_FORGET_S: Final = 86_400.0
_MOST_ID_BYTES: Final = 4000  # an id has at most 1,000 characters


def note(task_ids: Sequence[str]) -> None:
    """Record for a day that these calls must not run. Raises redis.RedisError."""
    store, now = state.shared(), time.time()

    def write() -> None:
        with store.pipeline() as pipe:
            pipe.zadd(_KEY, dict.fromkeys(task_ids, now))
            pipe.zremrangebyscore(_KEY, "-inf", now - _FORGET_S)
            pipe.incr(VERSION)
            pipe.execute()

    redis_reads.healed(store, {_KEY: "zset", VERSION: "number"}, write)


def learn() -> None:
    """Add all cancelled calls to this worker's list of revoked ones, which Celery keeps in memory only.

    Raises redis.RedisError.
    """
    from celery.worker import state as worker_state

    # Only as many as Celery's list holds, and the newest last, because it drops the oldest entries first.
    noted = list(redis_reads.members(state.shared(), _KEY, worker_state.REVOKES_MAX, _MOST_ID_BYTES))
    worker_state.revoked.update(id.decode(errors="replace") for id in reversed(noted))
