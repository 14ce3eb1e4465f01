"""The orders that a worker obeys by default, what may be given with each, and how some of them are answered."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from celery.worker import control as _commands
from celery.worker import state as worker_state

from wasmfleet.config.settings import without_password

_MOST_ANSWERED_BYTES: Final = 1 << 20
_MOST_IDS: Final = 10_000
_log = logging.getLogger("wasmfleet.remote")

commands: Final[Any] = _commands  # untyped: the type stubs describe an older one

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_Ids = Annotated[list[_Id], msgspec.Meta(max_length=_MOST_IDS)]


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Flag(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The switches of the orders that read."""

    safe: bool | None = None
    with_defaults: bool | None = None


class _Registered(msgspec.Struct, forbid_unknown_fields=True):
    # Celery's handler reads any attribute of a task that it is asked for.
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


#: What is obeyed by default, by Celery's names for it, and what may be given with it.
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
    """Celery's, without writing that the calls are revoked: another worker may be running them, and the main loop
    would ask the store of results about each. Their end is written by the worker that meets them."""
    ids = {task_id} if isinstance(task_id, str) else set(task_id)
    worker_state.revoked.update(ids)
    _log.info("%d calls are revoked by remote control", len(ids))
    return {"ok": f"{len(ids)} calls are flagged as revoked"}


def _revoked(state: Any, **_: Any) -> list[str]:
    """The ids of revoked calls, oldest first; of very many the newest."""
    ids, room = [], _MOST_ANSWERED_BYTES
    for id in reversed(list(worker_state.revoked)):
        room -= len(id) + 4
        if room < 0:
            break
        ids.append(id)
    return ids[::-1]


def _hello(state: Any, **arguments: Any) -> Any:
    """Celery's, whose answer carries every revoked id there is."""
    answer = commands.hello(state, **arguments)
    return answer and answer | {"revoked": _revoked(state)}


def _stats(state: Any, **_: Any) -> Any:
    """Celery's, whose broker (kombu's `Connection.info`) is a URL with its password."""
    answer = commands.stats(state)
    shown = without_password(state.app.conf.broker_url)
    return answer | {"broker": answer["broker"] | {"hostname": shown, "alternates": []}}


#: Answered here instead of by Celery, wherever they are obeyed.
OWN: Final[dict[str, Callable[..., Any]]] = {
    "revoke": _revoke,
    "revoked": _revoked,
    "dump_revoked": _revoked,
    "hello": _hello,
    "stats": _stats,
}
