"""The remote commands ("orders") that a worker obeys by default, and the arguments that each may have.

Some are answered here and not by Celery: its answers hold a password or may be of any size.
"""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from celery.worker import control as _commands
from celery.worker import state as worker_state
from redis.exceptions import RedisError

from wasmfleet.config.settings import without_password
from wasmfleet.workers.counting import counted
from wasmfleet.workers.fleet_state import cancelled

_MOST_ANSWERED_BYTES: Final = 1 << 20
_MOST_IDS: Final = 10_000
_log = logging.getLogger("wasmfleet.remote")

commands: Final[Any] = _commands  # untyped: the type stubs describe an older one

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_Ids = Annotated[list[_Id], msgspec.Meta(max_length=_MOST_IDS)]


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Flag(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The arguments of orders that only read."""

    safe: bool | None = None
    with_defaults: bool | None = None


class _Registered(msgspec.Struct, forbid_unknown_fields=True):
    # Always empty: Celery's handler would read any attribute of a task that is named here.
    taskinfoitems: Annotated[list[str], msgspec.Meta(max_length=0)] | None = None
    builtins: bool = False


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    ids: _Id | _Ids = []


class _Hello(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    from_node: Annotated[str, msgspec.Meta(max_length=255)]
    revoked: _Ids | dict[_Id, Any] | None = None


class _Revoke(msgspec.Struct, forbid_unknown_fields=True):
    task_id: _Id | _Ids
    terminate: Any = False
    signal: Any = None


class _Drain(msgspec.Struct, forbid_unknown_fields=True):
    wanted: bool = True


#: The orders that are obeyed by default, by Celery's names, and the arguments that each may have.
SAFE: Final[dict[str, type[msgspec.Struct]]] = {
    **dict.fromkeys(("ping", "clock", "stats", "active_queues", "heartbeat"), _Nothing),
    **dict.fromkeys(("enable_events", "disable_events"), _Nothing),
    **dict.fromkeys(("scheduled", "reserved", "active", "revoked", "conf"), _Flag),
    **dict.fromkeys(("dump_schedule", "dump_reserved", "dump_active", "dump_revoked", "dump_conf"), _Flag),
    **dict.fromkeys(("registered", "dump_tasks"), _Registered),
    "query_task": _Query,
    "hello": _Hello,
    "revoke": _Revoke,
    "wasmfleet_drain": _Drain,
}


def _revoke(state: Any, task_id: Any = (), **_: Any) -> Any:
    """Note calls as cancelled, also for workers that start later; who would start one of them ends it then, and stores
    that.

    Celery's (5.7, worker/control.py) stores it at once, in each worker: also for a call that another worker is running,
    and with a question to the store of results for each, which holds up the main loop.
    """
    ids = {task_id} if isinstance(task_id, str) else set(task_id)
    worker_state.revoked.update(ids)
    _log.info("%s revoked by remote control", counted(len(ids), "call is", "calls are"))
    try:
        cancelled.note(list(ids))
    except RedisError as error:
        _log.warning("that they are revoked is forgotten at this worker's end: %s", error)
    return {"ok": f"{counted(len(ids), 'call is', 'calls are')} flagged as revoked"}


def _revoked(state: Any, **_: Any) -> list[str]:
    """Return the ids of cancelled calls, oldest first; of more than a mebibyte of them, the newest.

    Celery's returns all, and nobody limits how many there are nor how long each is.
    """
    ids, room = [], _MOST_ANSWERED_BYTES
    for id in reversed(list(worker_state.revoked)):
        room -= len(id) + 4
        if room < 0:
            break
        ids.append(id)
    return ids[::-1]


def _hello(state: Any, **arguments: Any) -> Any:
    """Answer a worker that starts, as Celery does, but with no more cancelled ids than `_revoked` gives."""
    answer = commands.hello(state, **arguments)
    return answer and answer | {"revoked": _revoked(state)}


def _stats(state: Any, **_: Any) -> Any:
    """Answer with Celery's statistics, but without the broker's password, which is in the URL that Celery shows."""
    answer = commands.stats(state)
    shown = without_password(state.app.conf.broker_url)
    return answer | {"broker": answer["broker"] | {"hostname": shown, "alternates": []}}


#: The orders that are answered here and not by Celery, also where WASMFLEET_REMOTE_CONTROL=all obeys every order.
OWN: Final[dict[str, Callable[..., Any]]] = {
    "revoke": _revoke,
    "revoked": _revoked,
    "dump_revoked": _revoked,
    "hello": _hello,
    "stats": _stats,
}
