"""Ids of cancelled calls, kept for a day in the state store, so that workers that start later skip them as well.

They get there by `batch.cancel()`, by Celery's `revoke` of this package's app, and by workers that hear of a revoke.
"""

import math
import threading
import time
from collections.abc import Sequence
from typing import Final

from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import redis_reads

_KEY: Final = "wasmfleet:cancelled"
#: A number that rises with each change; a worker reads it with every heartbeat, and the ids only where it changed.
VERSION: Final = "wasmfleet:cancelled:version"
_FORGET_S: Final = 86_400.0
_MOST: Final = 50_000  # what Celery's list of revoked calls holds
_LOOK_EVERY_S: Final = 0.1
_WAITS_MOST_S: Final = 900.0  # a child has a few calls before it, each within its time limit
_MOST_ID_BYTES: Final = 4000  # an id has at most 1,000 characters


def note(task_ids: Sequence[str]) -> None:
    """Record for a day that these calls must not run. Raises redis.RedisError."""
    store, now = state.shared(), time.time()

    def write() -> None:
        with store.pipeline() as pipe:
            # Every worker that hears of a revoke notes it; what is noted already is nobody's news.
            pipe.zadd(_KEY, dict.fromkeys(task_ids, now), nx=True)
            pipe.zremrangebyscore(_KEY, "-inf", now - _FORGET_S)
            # Anybody who reaches the broker may broadcast more of them.
            pipe.zremrangebyrank(_KEY, 0, -_MOST - 1)
            added, *_ = pipe.execute()
        if added:
            store.incr(VERSION)

    redis_reads.healed(store, {_KEY: "zset", VERSION: "number"}, write)


def learn() -> None:
    """Add all cancelled calls to this worker's list of revoked ones, which Celery keeps in memory only.

    Raises redis.RedisError.
    """
    from celery.worker import state as worker_state

    # Only as many as Celery's list holds, and the newest last, because it drops the oldest entries first.
    noted = list(redis_reads.members(state.shared(), _KEY, worker_state.REVOKES_MAX, _MOST_ID_BYTES))
    worker_state.revoked.update(id.decode(errors="replace") for id in reversed(noted))


class _Watch(threading.local):
    """What a child has seen of the version, in monotonic seconds."""

    version: bytes = b""
    looked_at = changed_at = -math.inf


_watch: Final = _Watch()


def is_noted(task_id: str) -> bool:
    """Whether a call that is about to begin was cancelled after its worker had handed it to this child.

    The version is asked for ten times a second at most, and the id only where it has changed within so long as a call
    may wait for its child. Raises redis.RedisError.
    """
    now = time.monotonic()
    if now - _watch.looked_at >= _LOOK_EVERY_S:
        version, _watch.looked_at = _version(), now
        if version != _watch.version:
            _watch.version, _watch.changed_at = version, now
    return now - _watch.changed_at < _WAITS_MOST_S and state.shared().zscore(_KEY, task_id) is not None


def _version() -> bytes:
    """Read the version of the stored ids; it is empty where nothing was ever cancelled."""
    found = redis_reads.strings("the number", state.shared(), [VERSION.encode()], 20)
    return dict(found).get(VERSION.encode(), b"")
