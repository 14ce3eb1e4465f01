"""The arguments of a message on their way to a child: undecoded, whatever they claim to be, until they are there.

A worker's main process hands this to its pool in place of a body. Celery 5.7 unpacks the body in the child as
`args, kwargs, embed` (celery/app/trace.py), and that is when it is decoded, under the child's own limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kombu.serialization import loads

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.errors import (
    InputTooDeep,
    InputTooLarge,
    InvalidArguments,
    MemoryLimitExceeded,
    WasmfleetError,
)
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.untrusted import decompression, outline, weight

_CHECKS: Final = {
    outline.MSGPACK: (weight.check_msgpack, weight.OPENING_MSGPACK),
    outline.JSON: (weight.check_json, weight.OPENING_JSON),
}
#: Values that callbacks, errbacks, a chain and a chord of one message may hold together.
_MOST_VALUES_OF_EMBED: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a task gets as its only argument where the message's arguments cannot be had. No message can make one."""

    error: WasmfleetError


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A body as it was sent: its bytes, its content type, and how it is compressed, if it is."""

    body: bytes
    content_type: str
    compression: str = ""

    def __iter__(self) -> Iterator[Any]:
        """The arguments, those by name, and what follows the call: decoded now. Raises nothing."""
        try:
            return iter(self._decoded(self.plain()))
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            return iter(((Unreadable(_typed(error)),), {}, {}))

    def plain(self) -> bytes:
        """The body, decompressed. Raises CorruptData, InputTooLarge."""
        limit = body_limit()
        if not self.compression:
            return self.body
        return decompression.plain(self.body, self.compression, limit)

    def outline(self) -> outline.Outline:
        """Where the parts of the body lie. Raises CorruptData, InputTooLarge, ValueError, RecursionError."""
        return outline.of(self.plain(), self.content_type)

    def embed(self) -> dict[str, Any]:
        """What follows the call. Raises the same, and InputTooDeep."""
        return embed_of(self.outline())

    def _decoded(self, body: bytes) -> tuple[Any, Any, Any]:
        try:
            _weigh(body, self.content_type, settings().max_values)
            args, kwargs, embed = _loaded(body, self.content_type)
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            # Who waits for the next call, or for all of a chord, is to hear of this one's end.
            return (Unreadable(_typed(error)),), {}, embed_of(outline.of(body, self.content_type))
        if not (
            isinstance(args, list) and isinstance(kwargs, dict) and all(isinstance(k, str) for k in kwargs)
        ):
            why = InvalidArguments("the message's arguments are no array, or no map by names")
            return (Unreadable(why),), {}, embed
        return tuple(args), kwargs, embed


def body_limit() -> int:
    """Bytes that a body may have, compressed or not: base64 in JSON takes a third more than the arguments."""
    return 2 * settings().max_input * MIB


def embed_of(found: outline.Outline) -> dict[str, Any]:
    """What follows a call: callbacks, errbacks, a chain, a chord. Raises InputTooLarge, InputTooDeep, ValueError."""
    _weigh(found.embed, found.kind, _MOST_VALUES_OF_EMBED)
    embed: dict[str, Any] = _loaded(found.embed, found.kind)
    return embed


def _loaded(part: bytes, kind: str) -> Any:
    try:
        return loads(part, kind, "binary" if kind == outline.MSGPACK else "utf-8", accept=_CHECKS.keys())
    except Exception as error:  # noqa: BLE001 - decoders raise what they like
        cause = error.__cause__ or error.__context__ or error  # kombu makes a DecodeError of whatever it is
        if isinstance(cause, MemoryError | RecursionError):
            raise cause from None
        raise InvalidArguments(f"the message cannot be decoded: {storable(error)[:200]}") from None


def _weigh(part: bytes, kind: str, most: int) -> None:
    """Raises InputTooLarge or InputTooDeep before anything is made of what is too heavy."""
    check, opening = _CHECKS[kind]
    try:
        if not weight.is_light(part, most, outline.MOST_LEVELS, opening=opening):
            check(part, most, outline.MOST_LEVELS)
    except weight.TooManyValues as error:
        raise InputTooLarge(f"the message's arguments cannot be taken: {error}; send smaller ones") from None
    except weight.TooDeep as error:
        raise InputTooDeep(f"the message's arguments cannot be taken: {error}") from None


def _typed(error: BaseException) -> WasmfleetError:
    if isinstance(error, WasmfleetError):
        return error
    if isinstance(error, MemoryError):
        return MemoryLimitExceeded("the message's arguments need more memory than this process may use")
    if isinstance(error, RecursionError):
        return InputTooDeep("the message's arguments nest too deep to be read")
    return InvalidArguments(f"the message's arguments cannot be decoded: {error}")
