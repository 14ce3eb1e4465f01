"""Celery's store of results in Redis, with plain names for its private parts; `celery.py` lists them.

Every process loads this file. Where Celery calls one of its private methods, these classes call a method with a plain
name. It does what Celery's does, unless `workers/records/results.py` overrides it.
"""

import os
import threading
import weakref
from collections.abc import Set
from typing import Any, Final

from celery.backends import redis as _typed
from redis.connection import Connection

from wasmfleet.workers.internals.redis_masters import leaving

# `Any`, because the published type stubs describe an older Celery.
_redis: Any = _typed

#: All stores of this process, for a child that is forked from it.
_stores: Final["weakref.WeakSet[Any]"] = weakref.WeakSet()


class RedisResults(_redis.RedisBackend):  # type: ignore[misc]
    """Celery's backend, which stores results and reads them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _stores.add(self)

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

    def renew(self) -> None:
        """Forget, in a forked child, what its parent opened and whom its parent let wait.

        The sockets are closed here only; the parent goes on using them. Results that were made before the fork keep
        this object, so it is made new in place.
        """
        for name in (
            "client",
            "_chord_part_return_script",
            "_chord_cleanup_script",
            "_chord_claim_extend_script",
        ):
            self.__dict__.pop(name, None)
        for waiting in self._pending_results:
            waiting.clear()
        self._pending_messages.clear()
        self._pending_messages.total = 0
        self.result_consumer.renew()

    def send_errbacks(self, request: Any, error: Any, traceback: Any) -> None:
        """Call or send the errbacks that the sender of a failed call asked for."""
        super()._call_task_errbacks(request, error, traceback)

    def _get_task_meta_for(self, task_id: Any) -> Any:
        return self.stored_meta(task_id)

    def _restore_group(self, group_id: Any) -> Any:
        return self.stored_group(group_id)

    def _call_task_errbacks(self, request: Any, exc: Any, traceback: Any) -> None:
        self.send_errbacks(request, exc, traceback)


class _Nothing:
    """What the drainer of a parent reads in a forked child: greenlets live on there, and must read nothing."""

    def drain_events(self, timeout: float | None = None) -> None:
        threading.Event().wait()


class RedisResultConsumer(_redis.ResultConsumer):  # type: ignore[misc]
    """Celery's listener in a process that waits for results: one connection, subscribed to the key of each call."""

    drainer: Any
    was_reconnected = False  # another connection was opened, and what was published meanwhile is missed

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
        """Open another connection, and subscribe to every key that is waited for.

        Celery's reads what is stored under all keys first, in one answer that may have hundreds of MiB; what is stored
        between that and the subscription is missed.
        """
        with self._locked():
            self._pubsub = None
            self.backend.client.connection_pool.reset()
            self.subscribed_to -= self._pending_unsubscribe
            self._pending_unsubscribe.clear()
            if self.subscribed_to:
                pubsub = self.backend.client.pubsub(ignore_subscribe_messages=True)
                pubsub.subscribe(*self.subscribed_to)
                # redis-py opens a connection again, and subscribes again, where nobody sees it.
                pubsub.connection.register_connect_callback(self._note_reconnection)
                self._pubsub, self.was_reconnected = pubsub, True

    def _note_reconnection(self, connection: Any) -> None:
        self.was_reconnected = True

    def wake(self) -> None:
        """Let threads look whether their results are there that wait for another one to read the connection."""
        with self._locked():
            self._pubsub_read.notify_all()

    def renew(self) -> None:
        """Forget, in a forked child, the connection and the locks of its parent, and start a drainer of its own."""
        self._reset_sync()
        self._pubsub = self.on_message = None
        self.subscribed_to.clear()
        self.buckets.clear()
        self.drainer.result_consumer = _Nothing()
        self.drainer = type(self.drainer)(self)

    def _reconnect_pubsub(self) -> None:
        self.reconnect()


def _renew() -> None:
    for store in list(_stores):
        store.renew()


os.register_at_fork(after_in_child=_renew)
