"""Calls that kill their process: counted outside of it, isolated, and set aside after three deaths.

A death is a child that vanished while its worker lived on: the worker knows which call it had begun. The end of
a whole worker counts for nobody. A batch that saw two deaths goes on item by item, each begun and ended in the
state store, so that only the one that kills is set aside.

A large result that its store refuses again and again, while it takes others, ends its call as well.
"""

from typing import Any, Final

from wasmfleet.workers import state

MOST_DEATHS: Final = 3
CAREFUL_AFTER: Final = 2
MOST_DEATHS_OF_A_BATCH: Final = 32
MOST_REFUSALS: Final = 5
_FORGET_S: Final = 86_400
_DEATHS: Final = "wasmfleet:deaths:"
_BEGUN: Final = "wasmfleet:begun:"
_DIED: Final = "wasmfleet:died:"
_DONE: Final = "wasmfleet:done:"
_REFUSED: Final = "wasmfleet:refused:"


def count_death(task_id: str) -> int:
    """Notes that a call's process died; gives how often it did. Raises redis.RedisError.

    Of a batch that goes on item by item, the item that had begun is noted as well.
    """
    store = state.shared()
    item: Any = store.getdel(_BEGUN + task_id)
    with store.pipeline() as pipe:
        pipe.incr(_DEATHS + task_id)
        pipe.expire(_DEATHS + task_id, _FORGET_S)
        if item is not None:
            pipe.hincrby(_DIED + task_id, item.decode(), 1)
            pipe.expire(_DIED + task_id, _FORGET_S)
        deaths: int = pipe.execute()[0]
    return deaths


def count_refusal(task_id: str) -> int:
    """Notes that the store refused a call's large result; gives how often it did. Raises redis.RedisError."""
    with state.shared().pipeline() as pipe:
        pipe.incr(_REFUSED + task_id)
        pipe.expire(_REFUSED + task_id, _FORGET_S)
        refusals: int = pipe.execute()[0]
    return refusals


def forget(request: Any) -> None:
    """A call has come to its end; of most nothing was noted."""
    if _is_redelivered(request):
        names = (_DEATHS, _BEGUN, _DIED, _DONE)
        state.shared().delete(*(name + request.id for name in names))


def _is_redelivered(request: Any) -> bool:
    return bool((request.delivery_info or {}).get("redelivered"))


def demands_care(request: Any) -> bool:
    """Whether a batch is to go on item by item."""
    if not _is_redelivered(request):
        return False
    deaths: Any = state.shared().get(_DEATHS + request.id)
    return int(deaths or 0) >= CAREFUL_AFTER


def progress(task_id: str) -> tuple[dict[int, int], dict[int, bytes]]:
    """Of a batch that goes on item by item: how often each item died, and the outcomes that are stored."""
    store = state.shared()
    died: dict[Any, Any] = store.hgetall(_DIED + task_id)
    done: dict[Any, Any] = store.hgetall(_DONE + task_id)
    return {int(item): int(times) for item, times in died.items()}, {
        int(item): end for item, end in done.items()
    }


def begin(task_id: str, item: int) -> None:
    """Marks an item as running, for `count_death`."""
    state.shared().set(_BEGUN + task_id, item, ex=_FORGET_S)


def end(task_id: str, item: int, outcome: bytes) -> None:
    """Stores an item's outcome and clears its mark."""
    with state.shared().pipeline() as pipe:
        pipe.hset(_DONE + task_id, str(item), outcome)
        pipe.expire(_DONE + task_id, _FORGET_S)
        pipe.delete(_BEGUN + task_id)
        pipe.execute()
