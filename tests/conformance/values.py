"""Strategies for values of each type that a contract can name, rich in values at which implementations differ."""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec.inspect as kinds
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_LINE_ENDS: Final = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
_BLANKS: Final = [" ", "\t", "\x1f", "\xa0", "\u1680", "\u180e", "\u2003", "\u200b", "\u3000", "\ufeff"]
_CONTROLS: Final = ["\0", "\x01", "\x08", "\x1a", "\x1b", "\x7f", "\x80", "\x9f", "\u202e", "\u2066"]
_COMBINING: Final = [
    "\u0301",
    "e\u0301",
    "\u0345",
    "\u20dd",
    "\u200d",
    "\ufe0f",
    "\u1100\u1161",
    "\U0001f3fd",
]
_CASES: Final = ["ß", "İ", "\u0131", "ǅ", "ﬁ", "Σ", "ς", "\u212a", "é", "²", "٣", "Ⅳ", "ª", "Ⓐ"]
_ASTRAL: Final = [
    "😀",
    "\U0001d518",
    "\U0001d7d9",
    "𐐀",
    "\U0001f1e9\U0001f1ea",
    "\ufffe",
    "\uffff",
    "\U0010ffff",
]
_PUNCTUATION: Final = [
    "'",
    '"',
    "`",
    "\\",
    "/",
    "<",
    "&",
    "%",
    "#",
    "{",
    "}",
    ",",
    ".",
    "-",
    "_",
    "0",
    "a",
    "A",
]
_PIECES: Final = _LINE_ENDS + _BLANKS + _CONTROLS + _COMBINING + _CASES + _ASTRAL + _PUNCTUATION

_EDGES: Final = [1 << power for power in (7, 8, 15, 16, 31, 32, 40, 53, 63, 64)]
_WHOLE: Final = [sign * (edge + by) for edge in _EDGES for by in (-1, 0, 1) for sign in (1, -1)]
_REAL: Final = [
    *(0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 0.1, 0.3, 1 + 2**-52),
    *(2.0**53 - 1, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 1e22, 1e308, -1e308, 1.7976931348623157e308),
    *(float("inf"), float("-inf"), float("nan")),
]
_MOST_REPEATS: Final = 300

_text: Final = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=30).map("".join)


def of(kind: kinds.Type) -> SearchStrategy[Any]:
    """Draw values of one type of a contract, within the bounds that the type states."""
    match kind:
        case kinds.NoneType():
            return st.none()
        case kinds.BoolType():
            return st.booleans()
        case kinds.IntType() | kinds.FloatType():
            return _number(kind)
        case kinds.StrType():
            return _sized(_text, kind) | _sized(_repeated(_text), kind)
        case kinds.BytesType():
            return _sized(st.binary(max_size=200), kind) | _sized(_repeated(st.binary(max_size=40)), kind)
        case kinds.LiteralType(values=values):
            return st.sampled_from(values)
        case kinds.UnionType(types=types):
            return st.one_of([of(one) for one in types])
        case kinds.AnyType():
            return _anything()
    return _container(kind)


def _container(kind: kinds.Type) -> SearchStrategy[Any]:
    match kind:
        case kinds.ListType():
            return st.lists(of(kind.item_type), min_size=kind.min_length or 0, max_size=kind.max_length)
        case kinds.DictType():
            names, values = of(kind.key_type), of(kind.value_type)
            return st.dictionaries(
                names, values, min_size=kind.min_length or 0, max_size=kind.max_length or 6
            )
        case kinds.TypedDictType() | kinds.DataclassType() | kinds.StructType():
            needed = {field.encode_name: of(field.type) for field in kind.fields if field.required}
            others = {field.encode_name: of(field.type) for field in kind.fields if not field.required}
            return st.fixed_dictionaries(needed, optional=others)
    raise NotImplementedError(
        f"a contract uses {kind}: say in tests/conformance/values.py what its values are"
    )


def _number(kind: kinds.IntType | kinds.FloatType) -> SearchStrategy[Any]:
    few = st.integers(-2, 20)
    if isinstance(kind, kinds.IntType):
        return (few | st.sampled_from(_WHOLE) | st.integers()).filter(lambda value: _within(value, kind))
    whole = few | st.sampled_from(_WHOLE[:-12])
    real = st.sampled_from(_REAL) | st.floats() | st.floats(-1000, 1000) | whole
    return real.filter(lambda value: _within(value, kind))


def beyond(kind: kinds.Type) -> Iterator[Any]:
    """Give numbers that the bounds of a type exclude: just beyond each bound, and at the edges of machine words."""
    match kind:
        case kinds.UnionType(types=types):
            for one in types:
                yield from beyond(one)
        case kinds.ListType(item_type=inner):
            yield from ([value] for value in beyond(inner))
        case kinds.DictType(value_type=inner):
            yield from ({"a": value} for value in beyond(inner))
        case kinds.IntType(ge=low, le=high) if low is not None and high is not None:
            near = [low - 1, high + 1, *_WHOLE]
            yield from (value for value in near if not _within(value, kind))
        case kinds.FloatType(ge=low, le=high) if low is not None and high is not None:
            near = [math.nextafter(low, -math.inf), math.nextafter(high, math.inf), *_REAL]
            yield from (value for value in near if not _within(value, kind))


def _within(value: float, kind: kinds.IntType | kinds.FloatType) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
        and (kind.multiple_of is None or value % kind.multiple_of == 0)
    )


def _sized(values: SearchStrategy[Any], kind: kinds.StrType | kinds.BytesType) -> SearchStrategy[Any]:
    least, most = kind.min_length or 0, kind.max_length
    if not least and most is None:
        return values
    return values.map(lambda value: value[:most]).filter(lambda value: len(value) >= least)


def _repeated(values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Draw long, repetitive values, which reach the block sizes of algorithms that work in blocks."""
    return st.builds(lambda value, times: value * times, values, st.integers(2, _MOST_REPEATS))


def _anything() -> SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | _text | st.binary()
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(_text, inner), max_leaves=8)
