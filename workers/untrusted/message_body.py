"""The parts of a message's body, located without decoding any value of the arguments.

A worker's main process reads no more of a body than this. Source: Celery's message protocol 2, in which a body is
`[args, kwargs, embed]`.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from wasmfleet.workers.untrusted import weight

MSGPACK: Final = "application/x-msgpack"
JSON: Final = "application/json"
#: Calls that one message may carry; `.many` sends 1,000.
MOST_CALLS: Final = 100_000
#: Values that a batch in JSON may hold, all calls together: JSON has no length, so counting its calls decodes them.
MOST_VALUES_OF_A_JSON_BATCH: Final = 1_000_000
MOST_LEVELS: Final = 500

_Raw = msgspec.Raw
_PARTS: Final = tuple[_Raw, _Raw, _Raw]
_DECODERS: Final[dict[str, Any]] = {
    MSGPACK: msgspec.msgpack.Decoder(_PARTS),
    JSON: msgspec.json.Decoder(_PARTS),
}
#: Escapes, and what Python's JSON has beyond the standard, each with a replacement of the same length.
_NON_STANDARD: Final = (
    (b"\\\\", b"xx"),
    (b'\\"', b"xx"),
    (b"\\", b"x"),
    (b"NaN", b"0.0"),
    (b"-Infinity", b"-0.000000"),
    (b"Infinity", b"0.000000"),
)


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    operation: _Raw | msgspec.UnsetType = msgspec.UNSET
    calls: _Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Outline:
    """The undecoded parts of a body. `embed` is what follows the call (callbacks, chain, chord), as it was sent.

    `args` and `kwargs` tell only the shape of the arguments: their text may differ from the body's (see `_standard`).
    """

    kind: Literal["application/x-msgpack", "application/json"]
    args: msgspec.Raw
    kwargs: msgspec.Raw
    embed: bytes


@dataclass(frozen=True, slots=True)
class BatchOutline:
    """The operation that a batch calls, and the number of its calls."""

    operation: str
    calls: int


def of(body: bytes, kind: str) -> Outline:
    """Find the parts of a body of this content type. Raises ValueError or RecursionError where it is no call's body."""
    try:
        parts = _DECODERS[kind].decode(body)
    except msgspec.DecodeError:
        if kind != JSON:
            raise
        parts = _DECODERS[kind].decode(_standard(body))
    args, kwargs, embed = parts
    if not (_is_array(args, kind) and _is_map(kwargs, kind) and _is_map(embed, kind)):
        raise ValueError("a body must be an array of arguments, a map of arguments and a map of what follows")
    end = len(body.rstrip()) - 1 if kind == JSON else len(body)
    end = len(body[:end].rstrip()) if kind == JSON else end
    return Outline(kind, args, kwargs, body[end - len(memoryview(embed)) : end])  # type: ignore[arg-type]


def of_batch(outline: Outline) -> BatchOutline:
    """Find what a batch calls, from the outline of its body. Raises ValueError where it is no batch."""
    operation, calls = _given(outline)
    elements = _elements(calls, outline.kind)
    if not all(_is_map(element, outline.kind) for element in elements):
        raise ValueError("each call of a batch must be a map of its arguments")
    return BatchOutline(_decode(operation, outline.kind, str), len(elements))


def _given(outline: Outline) -> tuple[_Raw, _Raw]:
    """Return the `operation` and the `calls` of a batch, which clients give by position or by name."""
    by_place = _by_place(outline)
    named = _decode(outline.kwargs, outline.kind, _Named)
    by_name = [part for part in (named.operation, named.calls) if part is not msgspec.UNSET]
    expected = {0: 2, 1: 1 if named.operation is msgspec.UNSET else -1, 2: 0}[len(by_place)]
    if len(by_name) != expected:
        raise ValueError("a batch must have one `operation` and its `calls`")
    given = (*by_place, *by_name)
    return given[0], given[1]


def _by_place(outline: Outline) -> tuple[_Raw, ...]:
    for shape in (tuple[_Raw, _Raw], tuple[_Raw], tuple[()]):
        with contextlib.suppress(msgspec.ValidationError):
            found: tuple[_Raw, ...] = _decode(outline.args, outline.kind, shape)
            return found
    raise ValueError("a batch must have at most two positional arguments")


def _decode(part: Any, kind: str, type: Any) -> Any:
    module = msgspec.json if kind == JSON else msgspec.msgpack
    return module.decode(part, type=type)


def _elements(calls: _Raw, kind: str) -> list[_Raw]:
    """Return the undecoded elements of an array, whose number is checked first."""
    if not _is_array(calls, kind):
        raise ValueError("the `calls` of a batch must be an array")
    if kind == MSGPACK:
        _check_count(_announced(bytes(memoryview(calls)[:5])))
    elif len(memoryview(calls)) > MOST_VALUES_OF_A_JSON_BATCH:
        _check_values(bytes(calls))
    elements: list[_Raw] = _decode(calls, kind, list[_Raw])
    _check_count(len(elements))
    return elements


def _announced(head: bytes) -> int:
    """Read from its head how many elements an array of MessagePack has."""
    if head[0] < 0xDC:
        return head[0] & 0x0F
    return int.from_bytes(head[1 : 3 if head[0] == 0xDC else 5], "big")


def _check_count(count: int) -> None:
    if not 0 < count <= MOST_CALLS:
        raise ValueError(f"a batch must have 1 to {MOST_CALLS:,} calls; this one has {count:,}")


def _check_values(calls: bytes) -> None:
    try:
        weight.check_json(calls, MOST_VALUES_OF_A_JSON_BATCH, MOST_LEVELS)
    except weight.TooHeavy as error:
        raise ValueError(f"a batch in JSON is refused: {error}; send MessagePack or smaller ones") from None


def _standard(body: bytes) -> bytes:
    """Rewrite Python's JSON as standard JSON of the same length, from which only the place of each part is read."""
    for found, other in _NON_STANDARD:
        body = body.replace(found, other)
    return body


def _is_array(part: Any, kind: str) -> bool:
    first = _first(part)
    return first == 0x5B if kind == JSON else 0x90 <= first <= 0x9F or first in (0xDC, 0xDD)


def _is_map(part: Any, kind: str) -> bool:
    first = _first(part)
    return first == 0x7B if kind == JSON else 0x80 <= first <= 0x8F or first in (0xDE, 0xDF)


def _first(part: Any) -> int:
    return memoryview(part)[0] if len(memoryview(part)) else 0
