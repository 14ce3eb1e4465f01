"""The number of values and of nested levels in MessagePack or JSON, counted without decoding it.

One byte of MessagePack can become a dictionary of 64 bytes, so a limit on bytes does not limit memory. Keys of maps
count as values. Malformed data is counted up to the place where a decoder would refuse it.
"""

import re
from itertools import accumulate
from typing import Final

Data = bytes | memoryview

_VARIABLE: Final = 0
#: Size of a value by its first byte; _VARIABLE where a length follows or the value is a container.
_SIZES: Final = (
    *[1] * 0x80,  # whole numbers up to 127
    *[_VARIABLE] * 0x20,  # maps and arrays of up to 15
    *range(1, 0x21),  # text of up to 31 bytes
    *[1] * 4,  # nil, 0xC1 (never used), false, true
    *[_VARIABLE] * 6,  # bin and ext
    *[5, 9, 2, 3, 5, 9, 2, 3, 5, 9],  # float 32 and 64, uint 8 to 64, int 8 to 64
    *[3, 4, 6, 10, 18],  # ext of 1 to 16 bytes
    *[_VARIABLE] * 7,  # str, array and map with a length
    *[1] * 0x20,  # whole numbers from -32 to -1
)
#: By the first byte of bin, ext and str with a length: the bytes of the length, and those between it and the content.
_BLOBS: Final = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)} | {
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
}
#: By the first byte of an array or map with a length: the bytes of the length, and the values in each entry.
_CONTAINERS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
#: The bytes that can open a level.
OPENING_MSGPACK: Final = bytes([*range(0x80, 0xA0), *_CONTAINERS])
OPENING_JSON: Final = b"[{"

_SPACE: Final = b" \t\r\n"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STRING: Final = re.compile(rb'"[^"]*"?')
_STRINGS_AT_ONCE: Final = 100_000
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class TooHeavy(Exception):
    """The data holds more values, or nests deeper, than is allowed; the message says which."""


class TooManyValues(TooHeavy):
    """The data holds more values than are allowed."""


class TooDeep(TooHeavy):
    """The data nests deeper than is allowed."""


class Malformed(Exception):
    """The data ends within a value."""


def is_light(data: Data, most_values: int, most_depth: int, *, opening: bytes = OPENING_MSGPACK) -> bool:
    """Tell quickly whether MessagePack or JSON is certainly within both limits; False means that it must be counted.

    Each value takes at least one byte, and each level at least one of the bytes in `opening`.
    """
    if len(data) > most_values:
        return False
    return len(data) <= most_depth or len(data) - len(bytes(data).translate(None, opening)) <= most_depth


def check_msgpack(data: Data, most_values: int, most_depth: int) -> int:
    """Count the values of one MessagePack value; an empty array is one value and one level.

    Raises TooManyValues as soon as more than `most_values` are announced, TooDeep as soon as more than `most_depth`
    levels are open, and Malformed. What follows the value is not looked at.
    """
    try:
        values, end = _scanned(data, most_values, most_depth)
    except IndexError:
        raise Malformed("it ends within a value") from None
    if end > len(data):
        raise Malformed("it ends within a value")
    return values


def _scanned(data: Data, most_values: int, most_depth: int) -> tuple[int, int]:
    at, left, values = 0, 1, 1
    _check(values, most_values, 0, most_depth)
    outer: list[int] = []  # for each container around the current one, how many values are left in it
    while True:
        while left:
            left -= 1
            first = data[at]
            size = _SIZES[first]
            if size:
                at += size
            elif first in _BLOBS:
                width, more = _BLOBS[first]
                at += 1 + width + more + int.from_bytes(data[at + 1 : at + 1 + width], "big")
            else:
                at, inside = _opened(data, at, first)
                values += inside
                _check(values, most_values, len(outer) + 1, most_depth)
                outer.append(left)
                left = inside
        if not outer:
            return values, at
        left = outer.pop()


def _opened(data: Data, at: int, first: int) -> tuple[int, int]:
    """Return where a container's first value begins, and how many values it announces."""
    if first in _CONTAINERS:
        width, each = _CONTAINERS[first]
        start = at + 1 + width
        inside = each * int.from_bytes(data[at + 1 : start], "big")
    else:
        start = at + 1
        inside = (first & 0x0F) * (1 if first >= 0x90 else 2)
    if inside > len(data) - start:
        raise Malformed("it ends within a value")
    return start, inside


def check_json(data: bytes, most_values: int, most_depth: int) -> int:
    """Count the values of a JSON text in UTF-8, names of members included; an empty array is one value, one level.

    Raises TooManyValues or TooDeep. What is no JSON is left to the decoder.
    """
    if b"\\" in data:  # without escapes, every quote left begins or ends a string
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    _check(data.count(b'"') // 2, most_values, 0, most_depth)
    structure = _without_strings(data.translate(None, _SPACE))
    containers = structure.count(b"[") + structure.count(b"{")
    empty = structure.count(b"[]") + structure.count(b"{}")
    # A list has one value more than it has commas. An object has one more than commas and colons: names are values.
    values = 1 + structure.count(b",") + structure.count(b":") + containers - empty
    _check(values, most_values, 0, most_depth)
    if containers > most_depth:
        steps = map(_STEPS.__getitem__, structure.translate(None, _NO_BRACKETS))
        _check(values, most_values, max(accumulate(steps), default=0), most_depth)
    return values


def _without_strings(data: bytes) -> bytes:
    """Replace each string of a JSON text by a 0, in portions: each string costs an object while it is replaced."""
    while b'"' in data:
        data = _STRING.sub(b"0", data, count=_STRINGS_AT_ONCE)
    return data


def _check(values: int, most_values: int, depth: int, most_depth: int) -> None:
    if values > most_values:
        raise TooManyValues(f"it holds more than {most_values:,} values")
    if depth > most_depth:
        raise TooDeep(f"it nests deeper than {most_depth} levels")
