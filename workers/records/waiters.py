"""Who waits for which result: written by event loops, and read by the one thread that listens to the store."""

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from celery import states

from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.records.wake import Wake

#: A result as Celery's mapping, with what is read of it here: `status`, and a value or an error as `result`.
Meta = dict[str, Any]


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody in an event loop who waits for the result of one call.

    `subscribed` is set as soon as whatever is published as this call's result will be heard.
    """

    key: bytes
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Meta]"
    subscribed: bool = False


@dataclass(slots=True)
class Waiters:
    """All who wait in this process.

    `by_key` has them by the key of their result. `changed` has the keys that got their first waiter or lost their last
    one, and `unread` those whose stored result is to be read. `lock` guards all of it; `wake` rings for the thread.
    """

    wake: Wake = field(default_factory=Wake)
    lock: Any = field(default_factory=threading.Lock)
    by_key: dict[bytes, list[Waiter]] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)
    unread: set[bytes] = field(default_factory=set)

    def add(self, key: bytes) -> Waiter:
        """Begin to wait for a result in the running event loop; `remove` ends it."""
        loop = asyncio.get_running_loop()
        waiter = Waiter(key, loop, loop.create_future())
        with self.lock:
            self.by_key.setdefault(key, []).append(waiter)
            self.changed.add(key)
        self.wake.up()
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Wait no longer. The thread unsubscribes when it is next awake."""
        with self.lock:
            waiters = self.by_key.get(waiter.key, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters and self.by_key.pop(waiter.key, None) is not None:
                self.changed.add(waiter.key)

    def look(self, keys: Iterable[bytes]) -> None:
        """Have what is stored under these keys read."""
        with self.lock:
            self.unread.update(keys)
        self.wake.up()

    def awaited(self) -> list[bytes]:
        """Give every key that somebody waits for."""
        with self.lock:
            return list(self.by_key)

    def take_changes(self) -> tuple[list[bytes], list[bytes]]:
        """Give the keys that are newly waited for, and those that nobody waits for any more."""
        with self.lock:
            changed, self.changed = self.changed, set()
            wanted = [key for key in changed if key in self.by_key]
            return wanted, [key for key in changed if key not in self.by_key]

    def take_unread(self, among: set[bytes]) -> list[bytes]:
        """Give those of these keys that are to be read, and that somebody still waits for."""
        with self.lock:
            due = self.unread & among
            self.unread -= due
            return [key for key in due if key in self.by_key]

    def subscribed(self, key: bytes) -> None:
        """Note for whoever waits for this key that what is published will be heard."""
        with self.lock:
            for waiter in self.by_key.get(key, ()):
                waiter.subscribed = True

    def deliver(self, metas: dict[bytes, Meta]) -> None:
        """Give each of these results to all who wait for it, but for those that are no end of a call."""
        ends = {key: meta for key, meta in metas.items() if meta["status"] in states.READY_STATES}
        with self.lock:
            served = [(key, self.by_key.pop(key, [])) for key in ends]
            self.changed.update(ends)
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Meta], Meta]]] = {}
        for key, waiters in served:
            for waiter in waiters:
                by_loop.setdefault(waiter.loop, []).append((waiter.future, ends[key]))
        for loop, settled in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed, and its waiters are gone with it
                loop.call_soon_threadsafe(_settle, settled)

    def fail_all(self, error: WasmfleetError) -> None:
        """End the waiting of everybody with this error."""
        self.deliver({key: {"status": states.FAILURE, "result": error} for key in self.awaited()})


def _settle(settled: "list[tuple[asyncio.Future[Meta], Meta]]") -> None:
    for future, meta in settled:
        if not future.done():
            future.set_result(meta)
