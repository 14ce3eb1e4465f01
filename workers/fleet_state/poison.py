"""Poison calls: how often each call killed its process, counted in the state store; three deaths set a call aside.

A death is a child process that vanished while its worker lived on, which knows the call that the child had begun. The
end of a whole worker counts against no call. A batch with two deaths runs item by item. The beginning and the outcome
of each item are then stored, so that only the item that kills is set aside.

Refusals are counted here too: a large result that the result store refuses again and again ends its call as well.
"""

from collections.abc import Sequence
from typing import Any, Final

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import redis_reads

MOST_DEATHS: Final = 3
CAREFUL_AFTER: Final = 2
MOST_DEATHS_OF_A_BATCH: Final = 32
MOST_REFUSALS: Final = 5
_FORGET_S: Final = 86_400
_MOST_DIGITS: Final = 18
_DEATHS: Final = "wasmfleet:deaths:"
_BEGUN: Final = "wasmfleet:begun:"
_DIED: Final = "wasmfleet:died:"
_DONE: Final = "wasmfleet:done:"
_REFUSED: Final = "wasmfleet:refused:"


def count_death(task_id: str) -> int:
    """Count one more death of a call's process and return their number. Raises redis.RedisError.

    In a batch that runs item by item, the death also counts against the item that had begun.
    """
    counted, begun, died = _DEATHS + task_id, _BEGUN + task_id, _DIED + task_id
    store = state.shared()

    def write() -> int:
        item = _item_begun(store.get(begun) if store.strlen(begun) < _MOST_DIGITS else None)
        with store.pipeline() as pipe:
            pipe.incr(counted)
            pipe.expire(counted, _FORGET_S)
            pipe.delete(begun)
            if item is not None:
                pipe.hset(died, str(item), 1 + deaths(task_id, [item])[item])
                pipe.expire(died, _FORGET_S)
            times: int = pipe.execute()[0]
        return times

    return redis_reads.healed(store, {counted: "number", begun: "string", died: "hash"}, write)


def count_refusal(task_id: str) -> int:
    """Count one more refusal of a call's large result and return their number. Raises redis.RedisError."""
    store, refused = state.shared(), _REFUSED + task_id

    def write() -> int:
        with store.pipeline() as pipe:
            pipe.incr(refused)
            pipe.expire(refused, _FORGET_S)
            refusals: int = pipe.execute()[0]
        return refusals

    return redis_reads.healed(store, {refused: "number"}, write)


def forget(request: Any) -> None:
    """Delete what was recorded about a call that has ended. Raises redis.RedisError.

    A call that was delivered only once has nothing recorded, and costs no round trip.
    """
    if _is_redelivered(request):
        names = (_DEATHS, _BEGUN, _DIED, _DONE)
        state.shared().delete(*(name + request.id for name in names))


def _is_redelivered(request: Any) -> bool:
    return bool((request.delivery_info or {}).get("redelivered"))


def demands_care(request: Any) -> bool:
    """Tell whether a batch has killed so often that it must run item by item. Raises redis.RedisError."""
    if not _is_redelivered(request):
        return False
    key = (_DEATHS + request.id).encode()
    noted = dict(redis_reads.strings("the number", state.shared(), [key], _MOST_DIGITS))
    return _number(noted.get(key)) >= CAREFUL_AFTER


def deaths(task_id: str, items: Sequence[int]) -> dict[int, int]:
    """Return how often each of these items of a batch killed its process. Raises redis.RedisError."""
    died = redis_reads.fields(state.shared(), _DIED + task_id, items, _MOST_DIGITS)
    return dict(zip(items, map(_number, died), strict=True))


def outcome(task_id: str, item: int) -> bytes | None:
    """Return the stored outcome of an item, or None where it has not ended. Raises redis.RedisError."""
    [packed] = redis_reads.fields(state.shared(), _DONE + task_id, [item], most_bytes())
    return packed


def most_bytes() -> int:
    """Return how many bytes the stored outcome of one item may have."""
    return (settings().max_output + 1) * MIB


def _number(text: bytes | None) -> int:
    """Read a number; anything else counts as 0."""
    return int(text) if text and text.isdigit() and len(text) < _MOST_DIGITS else 0


def _item_begun(text: Any) -> int | None:
    return _number(text) if text and text.isdigit() else None


def begin(task_id: str, item: int) -> None:
    """Mark an item as running, for `count_death`. Raises redis.RedisError."""
    state.shared().set(_BEGUN + task_id, item, ex=_FORGET_S)


def end(task_id: str, item: int, outcome: bytes) -> None:
    """Store an item's outcome and remove its mark as running. Raises redis.RedisError."""
    store, done = state.shared(), _DONE + task_id

    def write() -> None:
        with store.pipeline() as pipe:
            pipe.hset(done, str(item), outcome)
            pipe.expire(done, _FORGET_S)
            pipe.delete(_BEGUN + task_id)
            pipe.execute()

    redis_reads.healed(store, {done: "hash"}, write)
