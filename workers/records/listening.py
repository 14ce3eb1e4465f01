"""Results for callers that must not block: one thread of the process listens to the store for all event loops.

Each result that somebody waits for is a channel of the one subscribed connection of this thread, and a second
connection reads what is stored. A waiter has no thread and no connection. The thread lives apart from the event loops,
so a program may have several of them, one after another or side by side, and none has anything to close.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from celery import states

from wasmfleet.workers.app import app
from wasmfleet.workers.errors import UnreadableResult, typed
from wasmfleet.workers.records.result_reader import Reader, Refused
from wasmfleet.workers.records.waiters import Meta, Waiter, Waiters


@dataclass(frozen=True, slots=True)
class _Listener:
    """The listening thread of a process, as those who wait see it."""

    backend: Any
    waiters: Waiters


@cache
def _listener() -> _Listener:
    """Start this process's thread at the first call."""
    made = _Listener(app.backend, Waiters())
    threading.Thread(target=_run, args=[made], name="wasmfleet-results", daemon=True).start()
    return made


def _run(listener: _Listener) -> None:
    reader = Reader(listener.waiters, listener.backend)
    while True:
        try:
            reader.serve()
        except Refused as refused:
            listener.waiters.fail_all(refused.error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            listener.waiters.fail_all(typed(error))


#: Listeners from before a fork. Their connections belong to the parent, and must not be closed here.
_inherited: Final[list[_Listener]] = []


def _renew() -> None:
    if _listener.cache_info().currsize:
        _inherited.append(_listener())
        _listener.cache_clear()


os.register_at_fork(after_in_child=_renew)


@contextlib.contextmanager
def waiting(task_id: str) -> Iterator[Waiter]:
    """Wait for a call's result in the running event loop while this block runs: await the waiter's `future`."""
    listener = _listener()
    waiter = listener.waiters.add(listener.backend.get_key_for_task(task_id))
    try:
        yield waiter
    finally:
        listener.waiters.remove(waiter)


def look(waiter: Waiter) -> None:
    """Have the store read for a waiter whose result may have been stored before it was subscribed."""
    _listener().waiters.look([waiter.key])


async def ended(task_id: str) -> Meta:
    """Wait until a call has ended, which may be so already, and return its result as Celery's mapping."""
    with waiting(task_id) as waiter:
        look(waiter)
        return await waiter.future


def value_of(meta: Meta) -> Any:
    """Return the value of a call that has ended, or raise its error."""
    if meta["status"] not in states.PROPAGATE_STATES:
        return meta["result"]
    error = meta["result"]
    raise (
        error if isinstance(error, Exception) else UnreadableResult("the call failed, and its error is none")
    )
