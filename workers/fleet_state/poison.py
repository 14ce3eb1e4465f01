"""Calls that kill their process: counted outside of it, isolated, and set aside after three deaths.

A death is a child that vanished while its worker lived on: the worker knows which call it had begun. The end of
a whole worker counts for nobody. A batch that saw two deaths goes on item by item, each begun and ended in the
state store, so that only the one that kills is set aside.

A large result that its store refuses again and again, while it takes others, ends its call as well.
"""

from collections.abc import Sequence
from typing import Any, Final

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.untrusted import reading

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
    """Notes that a call's process died; gives how often it did. Raises redis.RedisError.

    Of a batch that goes on item by item, the item that had begun is noted as well.
    """
    counted, begun, died = _DEATHS + task_id, _BEGUN + task_id, _DIED + task_id
    store = state.shared()

    def write() -> int:
        item = _begun(store.get(begun) if store.strlen(begun) < _MOST_DIGITS else None)
        with store.pipeline() as pipe:
            pipe.incr(counted)
            pipe.expire(counted, _FORGET_S)
            pipe.delete(begun)
            if item is not None:
                pipe.hset(died, str(item), 1 + deaths(task_id, [item])[item])
                pipe.expire(died, _FORGET_S)
            times: int = pipe.execute()[0]
        return times

    return reading.healed(store, {counted: "number", begun: "string", died: "hash"}, write)


def count_refusal(task_id: str) -> int:
    """Notes that the store refused a call's large result; gives how often it did. Raises redis.RedisError."""
    store, refused = state.shared(), _REFUSED + task_id

    def write() -> int:
        with store.pipeline() as pipe:
            pipe.incr(refused)
            pipe.expire(refused, _FORGET_S)
            refusals: int = pipe.execute()[0]
        return refusals

    return reading.healed(store, {refused: "number"}, write)


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
    key = (_DEATHS + request.id).encode()
    noted = dict(reading.strings("the number", state.shared(), [key], _MOST_DIGITS))
    return _number(noted.get(key)) >= CAREFUL_AFTER


def deaths(task_id: str, items: Sequence[int]) -> dict[int, int]:
    """Of a batch that goes on item by item: how often each item died."""
    died = reading.fields(state.shared(), _DIED + task_id, items, _MOST_DIGITS)
    return dict(zip(items, map(_number, died), strict=True))


def outcome(task_id: str, item: int) -> bytes | None:
    """What an item of such a batch came to, if it has ended."""
    [packed] = reading.fields(state.shared(), _DONE + task_id, [item], most_bytes())
    return packed


def most_bytes() -> int:
    """Of an item's stored outcome."""
    return (settings().max_output + 1) * MIB


def _number(text: bytes | None) -> int:
    """0 for what is none."""
    return int(text) if text and text.isdigit() and len(text) < _MOST_DIGITS else 0


def _begun(text: Any) -> int | None:
    return _number(text) if text and text.isdigit() else None


def begin(task_id: str, item: int) -> None:
    """Marks an item as running, for `count_death`."""
    state.shared().set(_BEGUN + task_id, item, ex=_FORGET_S)


def end(task_id: str, item: int, outcome: bytes) -> None:
    """Stores an item's outcome and clears its mark."""
    store, done = state.shared(), _DONE + task_id

    def write() -> None:
        with store.pipeline() as pipe:
            pipe.hset(done, str(item), outcome)
            pipe.expire(done, _FORGET_S)
            pipe.delete(_BEGUN + task_id)
            pipe.execute()

    reading.healed(store, {done: "hash"}, write)
