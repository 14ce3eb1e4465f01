"""Calls that were cancelled: noted in the state store, so that workers started later know as well."""

import time
from collections.abc import Sequence
from typing import Final

from celery.worker import state as worker_state

from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import reading

_KEY: Final = "wasmfleet:cancelled"
_VERSION: Final = "wasmfleet:cancelled:version"
_FORGET_S: Final = 86_400.0
_MOST_ID_BYTES: Final = 4000  # of an id's 1,000 characters


def note(task_ids: Sequence[str]) -> None:
    """Remembers for a day that these are not to be run. Raises redis.RedisError."""
    store, now = state.shared(), time.time()

    def write() -> None:
        with store.pipeline() as pipe:
            pipe.zadd(_KEY, dict.fromkeys(task_ids, now))
            pipe.zremrangebyscore(_KEY, "-inf", now - _FORGET_S)
            pipe.incr(_VERSION)
            pipe.execute()

    reading.healed(store, {_KEY: "zset", _VERSION: "number"}, write)


def learn(known: bytes | None = None) -> bytes:
    """Lets this worker skip everything noted: Celery's own list of revoked calls lives in memory only.

    Gives a version of what was noted; of the `known` version nothing is read again.
    """
    store = state.shared()
    version = dict(reading.strings("the number", store, [_VERSION.encode()], 20)).get(_VERSION.encode(), b"")
    if version != known:
        # As many as Celery keeps, the newest last: it drops the first ones.
        noted = list(reading.members(store, _KEY, worker_state.REVOKES_MAX, _MOST_ID_BYTES))
        worker_state.revoked.update(id.decode(errors="replace") for id in reversed(noted))
    return version
