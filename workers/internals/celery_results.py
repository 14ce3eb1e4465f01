"""Celery's store of results in Redis, with plain names for its private parts; `celery.py` lists them.

Every process loads this file. Where Celery calls one of its private methods, these classes call a method with a plain
name. It does what Celery's does, unless `workers/records/results.py` overrides it.
"""

from collections.abc import Set
from typing import Any

from celery.backends import redis as _typed
from redis.connection import Connection

from wasmfleet.workers.internals.redis_masters import leaving

# `Any`, because the published type stubs describe an older Celery.
_redis: Any = _typed


class RedisResults(_redis.RedisBackend):  # type: ignore[misc]
    """Celery's backend, which stores results and reads them."""

    def connect_with(self, **options: Any) -> None:
        """Pass these options to redis-py for each connection that is opened from now on; each leaves a lost server."""
        kind = leaving(self.connparams.get("connection_class") or Connection)
        self.connparams.update(options, connection_class=kind)

    def another_client(self, **options: Any) -> Any:
        """Make a client of the store with connections of its own, which get these options of redis-py as well."""
        return self._create_client(**(self.connparams | options))

    def task_id_of(self, key: Any) -> str:
        """Return the id of the call whose result is stored and published under this key."""
        found: str = self._strip_prefix(key)
        return found

    def stored_meta(self, task_id: Any) -> Any:
        """Read the result of a call as Celery's mapping; its status is PENDING if none is stored."""
        return super()._get_task_meta_for(task_id)

    def stored_group(self, group_id: Any) -> Any:
        """Read a group that a client saved; None if there is none."""
        return super()._restore_group(group_id)

    def send_errbacks(self, request: Any, error: Any, traceback: Any) -> None:
        """Call or send the errbacks that the sender of a failed call asked for."""
        super()._call_task_errbacks(request, error, traceback)

    def _get_task_meta_for(self, task_id: Any) -> Any:
        return self.stored_meta(task_id)

    def _restore_group(self, group_id: Any) -> Any:
        return self.stored_group(group_id)

    def _call_task_errbacks(self, request: Any, exc: Any, traceback: Any) -> None:
        self.send_errbacks(request, exc, traceback)


class RedisResultConsumer(_redis.ResultConsumer):  # type: ignore[misc]
    """Celery's listener in a process that waits for results: one connection, subscribed to the key of each call."""

    @property
    def is_connected(self) -> bool:
        """Whether a connection was opened; it may be broken by now."""
        return self._pubsub is not None

    def forget_connection(self) -> None:
        """Act from now on as if there were no connection, without closing the old one."""
        self._pubsub = None

    @property
    def awaited_keys(self) -> Set[Any]:
        """The keys of the results that somebody still waits for."""
        keys: Set[Any] = self.subscribed_to - self._pending_unsubscribe
        return keys

    def subscribe_all(self, task_id: str) -> None:
        """Open a connection and subscribe to this call's key and to all others that are waited for.

        Celery's `start` subscribes the new connection to this call's key only.
        """
        with self._locked():
            self.subscribed_to.add(self._get_key_for_task(task_id))
            self._ensure(self._reconnect_pubsub, ())

    def reconnect(self) -> None:
        """Open another connection, subscribe to every key that is waited for, and read what is stored under each."""
        super()._reconnect_pubsub()

    def _reconnect_pubsub(self) -> None:
        self.reconnect()
