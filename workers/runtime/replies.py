"""A guest's replies, decoded: a value or a typed error for each item, and no reply spoils that of another item.

A value that is accepted here can be stored in the log and sent to every client. It is made of text, numbers of 64 bits,
bytes, lists, and maps whose names are text, at most 128 levels deep.
"""

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from wasmfleet.workers.errors import BY_CODE, HostileReply, OutputTooLarge, WasmfleetError
from wasmfleet.workers.runtime.instance import Guest, Range
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted.weight import Malformed, TooHeavy, check_msgpack

MOST_LEVELS: Final = 128
#: The error codes that a guest may report, those of wasm_src/abi/src/fault.rs; the other codes are about the host.
GUEST_CODES: Final = frozenset(
    {
        "InvalidArguments",
        "InputTooLarge",
        "InputTooDeep",
        "InvalidSource",
        "CorruptData",
        "OutputTooLarge",
        "AuthenticationFailed",
        "NotSupportedInLane",
    }
)
_PLACES: Final = ({"offset"}, {"line", "column", "offset"})
_LARGEST_PLACE: Final = 2**53
_LENGTH: Final = struct.Struct("<I")
_PLAIN: Final[set[type]] = {type(None), bool, int, float, str, bytes, list, dict}
_CONTAINERS: Final[set[type]] = {list, dict}
_TEXT: Final[set[type]] = {str}
#: The names in the map by which kombu's JSON (5.7, utils/json.py) writes bytes and times. It reads any map with these
#: names as such a value, or fails.
_TYPED: Final = {"__type__", "__value__"}


def _refuse_extension(code: int, _data: memoryview) -> Any:
    raise ValueError(f"extension type {code}")


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_refuse_extension)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one item: a value, or an error; and its size in MessagePack."""

    value: Any = None
    error: WasmfleetError | None = None
    size_bytes: int = 0


class Budget:
    """How many bytes and values the replies to one message may still have, all items together."""

    def __init__(self, reply_bytes: int, reply_values: int) -> None:
        self.bytes_left = reply_bytes
        self._values_left = reply_values
        self._uncounted: list[bytes | memoryview] = []
        self._room = reply_values

    def take_bytes(self, size: int) -> None:
        """Take so many bytes. Raises OutputTooLarge where that many are not left."""
        if size > self.bytes_left:
            raise OutputTooLarge(
                f"the reply of {size:,} bytes is more than WASMFLEET_MAX_OUTPUT leaves to it; "
                "ask for less, or publish smaller batches"
            )
        self.bytes_left -= size

    def take_values(self, frame: bytes | memoryview) -> None:
        """Take as many values as a reply holds. Raises OutputTooLarge where that many are not left.

        A value takes a byte at least. So replies are counted only once they have more bytes than values are allowed.
        """
        if len(frame) <= self._room:
            self._room -= len(frame)
            self._uncounted.append(frame)
            return
        for earlier in self._uncounted:
            self._count(earlier)
        self._uncounted.clear()
        self._count(frame)
        self._room = self._values_left

    def _count(self, frame: bytes | memoryview) -> None:
        try:
            self._values_left -= check_msgpack(frame, self._values_left, len(frame))
        except TooHeavy:
            raise OutputTooLarge(
                "the reply holds more values than WASMFLEET_MAX_VALUES leaves to it; "
                "ask for less, or publish smaller batches"
            ) from None
        except Malformed:
            return  # the decoder, which comes next, tells what is wrong


def decoded(guest: Guest, where: Range, count: int, budget: Budget) -> list[Reply]:
    """Decode the replies in a stretch of the guest's memory, one for each item.

    Raises HostileReply where the frames do not fill the stretch exactly. What is wrong within a frame becomes the error
    of its item.
    """
    if where.size > budget.bytes_left:
        bounds = _bounds(where.size, count, lambda at: _number(guest.read(where.at + at, _LENGTH.size), 0))
        return [_fetched(guest, where.at + at, size, budget) for at, size in bounds]
    whole = memoryview(guest.read(*where))
    bounds = _bounds(where.size, count, lambda at: _number(whole, at))
    budget.take_bytes(where.size)
    return [_reply(whole[at : at + size], budget) for at, size in bounds]


def _bounds(total: int, count: int, length: Callable[[int], int]) -> list[tuple[int, int]]:
    """Return where the body of each frame begins, and its size. Raises HostileReply."""
    found: list[tuple[int, int]] = []
    at = 0
    for _ in range(count):
        at += _LENGTH.size
        if at > total:
            raise HostileReply(f"the guest answered {len(found)} of {count} items")
        size = length(at - _LENGTH.size)
        found.append((at, size))
        at += size
        if at > total:
            raise HostileReply("a frame of the guest's reply ends outside the reply")
    if at != total:
        raise HostileReply(f"the guest's reply has {total - at} bytes too many")
    return found


def _number(data: bytes | memoryview, at: int) -> int:
    size: int = _LENGTH.unpack_from(data, at)[0]
    return size


def _fetched(guest: Guest, at: int, size: int, budget: Budget) -> Reply:
    """Copy and decode one reply, where so many bytes are left; else return OutputTooLarge for its item."""
    try:
        budget.take_bytes(size)
    except OutputTooLarge as error:
        return Reply(error=error, size_bytes=size)
    return _reply(guest.read(at, size), budget)


def _reply(frame: bytes | memoryview, budget: Budget) -> Reply:
    try:
        budget.take_values(frame)
        return _answer(_decoder.decode(frame), len(frame))
    except WasmfleetError as error:
        return Reply(error=error, size_bytes=len(frame))
    except Exception as error:  # noqa: BLE001 - a guest chose these bytes
        reason = storable(error)
        return Reply(
            error=HostileReply(f"the guest's reply is not MessagePack: {reason}"), size_bytes=len(frame)
        )


def _answer(answer: Any, size: int) -> Reply:
    match answer:
        case [0, value] if value.__class__ not in _CONTAINERS:
            _check_kinds({value.__class__})
            return Reply(value, size_bytes=size)
        case [0, value]:
            _check_plain(value)
            return Reply(value, size_bytes=size)
        case [1, str(code), str(message), (dict() | None) as place]:
            return Reply(error=_fault(code, message, place), size_bytes=size)
    raise HostileReply("the guest's reply is neither a value nor an error")


def _check_plain(value: Any) -> None:
    """Raise HostileReply for a list or map with anything in it that some client or serializer cannot carry."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        inner: list[Any] = []
        for container in level:
            values = _values(container)
            kinds = set(map(type, values))
            _check_kinds(kinds)
            if kinds & _CONTAINERS:
                inner += [value for value in values if value and value.__class__ in _CONTAINERS]
        if not inner:
            return
        level = inner
    raise HostileReply(f"the guest's reply nests deeper than {MOST_LEVELS} levels")


def _values(container: Any) -> Collection[Any]:
    if container.__class__ is list:
        return container
    if not set(map(type, container)) <= _TEXT:
        raise HostileReply("the guest's reply has a map with a name that is no text")
    if container.keys() == _TYPED:
        raise HostileReply("the guest's reply has a map that JSON readers take for a type of their own")
    return container.values()  # type: ignore[no-any-return]


def _check_kinds(kinds: set[type]) -> None:
    if not kinds <= _PLAIN:
        raise HostileReply("the guest's reply holds an extension type")


def _fault(code: str, message: str, place: dict[Any, Any] | None) -> WasmfleetError:
    """Return the error that a guest reports. Raises HostileReply for a code or a place that it may not report."""
    if code not in GUEST_CODES:
        raise HostileReply(f"the guest sent the error code {storable(code, 80)!r}: {storable(message, 200)}")
    if place is not None and (set(place) not in _PLACES or not all(map(_is_place, place.values()))):
        raise HostileReply(f"the guest sent {code} with a place that is none: {storable(message, 200)}")
    return BY_CODE[code](storable(message), place)


def _is_place(value: Any) -> bool:
    return value.__class__ is int and 0 <= value <= _LARGEST_PLACE
