"""A message body that stays undecoded until a worker's child process unpacks it.

A worker's main process hands an `Undecoded` to its pool in place of a decoded body. Celery 5.7 unpacks the body in the
child as `args, kwargs, embed` (celery/app/trace.py). It is decoded at that moment, under the child's own limits.
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
from wasmfleet.workers.untrusted import decompression, message_body, weight

_CHECKS: Final = {
    message_body.MSGPACK: (weight.check_msgpack, weight.OPENING_MSGPACK),
    message_body.JSON: (weight.check_json, weight.OPENING_JSON),
}
#: Values that the callbacks, errbacks, chain and chord of one message may hold together.
_MOST_VALUES_OF_EMBED: Final = 1_000_000


#: What a main process tells its child of a message that was JSON, beside the message's headers.
IS_JSON: Final = "is_json"


def was_json(request: Any) -> bool:
    """Tell whether the message of a running call was JSON."""
    return bool(getattr(request, IS_JSON, False))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The only argument of a task whose message has unreadable arguments. No message can contain such an object."""

    error: WasmfleetError


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A body as it was sent: its bytes, its content type and its compression, which is empty for none."""

    body: bytes
    content_type: str
    compression: str = ""

    def __iter__(self) -> Iterator[Any]:
        """Decode the body into positional arguments, keyword arguments and embed. Raises nothing.

        Where a part cannot be decoded, the only argument is an `Unreadable` with the reason.
        """
        try:
            return iter(self._decoded(self.plain()))
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            return iter(((Unreadable(_typed(error)),), {}, {}))

    def plain(self) -> bytes:
        """Decompress the body. Raises CorruptData, InputTooLarge, InvalidArguments."""
        limit = body_limit()
        if not self.compression:
            return self.body
        return decompression.plain(self.body, self.compression, limit)

    def outline(self) -> message_body.Outline:
        """Find where the parts of the body lie.

        Raises CorruptData, InputTooLarge, InvalidArguments, ValueError, RecursionError.
        """
        return message_body.of(self.plain(), self.content_type)

    def embed(self) -> dict[str, Any]:
        """Decode what follows the call: callbacks, errbacks, chain, chord. Raises as `outline`, and InputTooDeep."""
        return embed_of(self.outline())

    def _decoded(self, body: bytes) -> tuple[Any, Any, Any]:
        try:
            _weigh(body, self.content_type, settings().max_values)
            args, kwargs, embed = _loaded(body, self.content_type)
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            # The embed is still needed: whoever waits for the next call or for the chord must learn of this failure.
            return (Unreadable(_typed(error)),), {}, embed_of(message_body.of(body, self.content_type))
        if not (
            isinstance(args, list) and isinstance(kwargs, dict) and all(isinstance(k, str) for k in kwargs)
        ):
            why = InvalidArguments("the message's arguments are no array, or no map by names")
            return (Unreadable(why),), {}, embed
        return tuple(args), kwargs, embed


def body_limit() -> int:
    """Return how many bytes a body may have before and after decompression.

    It is more than WASMFLEET_MAX_INPUT because bytes take a third more as base64 in JSON.
    """
    return 2 * settings().max_input * MIB


def embed_of(found: message_body.Outline) -> dict[str, Any]:
    """Decode what follows a call: callbacks, errbacks, chain, chord.

    Raises InputTooLarge, InputTooDeep, InvalidArguments, ValueError.
    """
    _weigh(found.embed, found.kind, _MOST_VALUES_OF_EMBED)
    embed: dict[str, Any] = _loaded(found.embed, found.kind)
    return embed


def _loaded(part: bytes, kind: str) -> Any:
    try:
        return loads(part, kind, "binary" if kind == message_body.MSGPACK else "utf-8", accept=_CHECKS.keys())
    except Exception as error:  # noqa: BLE001 - decoders raise what they like
        cause = error.__cause__ or error.__context__ or error  # kombu wraps every error in a DecodeError
        if isinstance(cause, MemoryError | RecursionError):
            raise cause from None
        raise InvalidArguments(f"the message cannot be decoded: {storable(error)[:200]}") from None


def _weigh(part: bytes, kind: str, most: int) -> None:
    """Raise InputTooLarge or InputTooDeep where decoding this part would make more than the limits allow."""
    check, opening = _CHECKS[kind]
    try:
        if not weight.is_light(part, most, message_body.MOST_LEVELS, opening=opening):
            check(part, most, message_body.MOST_LEVELS)
    except weight.TooManyValues as error:
        raise InputTooLarge(f"the message's arguments are refused: {error}; send smaller ones") from None
    except weight.TooDeep as error:
        raise InputTooDeep(f"the message's arguments are refused: {error}") from None


def _typed(error: BaseException) -> WasmfleetError:
    if isinstance(error, WasmfleetError):
        return error
    if isinstance(error, MemoryError):
        return MemoryLimitExceeded("the message's arguments need more memory than this process may use")
    if isinstance(error, RecursionError):
        return InputTooDeep("the message's arguments nest too deep to be read")
    return InvalidArguments(f"the message's arguments cannot be decoded: {error}")
