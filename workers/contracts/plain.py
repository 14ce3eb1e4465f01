"""Plain values of what callers give: a subclass of a plain type counts as that type, as does a number of numpy's.

Everything here is exact: a value that its plain type cannot hold stays as it is, and the contract refuses it.
"""

import numbers
import operator
from collections.abc import Mapping
from typing import Any, Final

_SCALARS: Final = frozenset((str, bytes, int, float, bool, type(None)))


def plain(value: Any) -> Any:
    """Return a value as str, bytes, int, float, bool, None, list and dict, as far as that is possible.

    Subclasses become their base: a NumPy float or an enumeration's member is what it holds, a markup string is its
    text. `bytearray` and `memoryview` become bytes, tuples lists, mappings dicts, and arrays that have `tolist` lists.
    Raises RecursionError for a value that nests too deep.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return value if _SCALARS.issuperset(map(type, value)) else [plain(inner) for inner in value]
    if kind is dict:
        return {plain(name): plain(inner) for name, inner in value.items()}
    return _converted(value)


def _converted(value: Any) -> Any:
    # By the base class's own method: a subclass may answer `str(value)` or `bytes(value)` with something else.
    match value:
        case str():
            return str.__str__(value)
        case bytes() | bytearray() | memoryview():
            return memoryview(value).tobytes()
        case int():
            return int.__index__(value)
        case float():
            return float.__float__(value)
        case list() | tuple():
            return [plain(inner) for inner in value]
        case Mapping():
            return {plain(name): plain(inner) for name, inner in value.items()}
        case numbers.Integral():
            return operator.index(value)
        case numbers.Real():
            return _real(value)
    return _listed(value)


def _real(value: numbers.Real) -> Any:
    try:
        found = float(value)
    except OverflowError:
        return value
    return found if found == value or found != found else value


def _listed(value: Any) -> Any:
    """Return the list that an array gives of itself, as those of numpy and the standard library do."""
    if not callable(getattr(value, "tolist", None)) or isinstance(value, type):
        return value
    found = value.tolist()
    return found if type(found) is type(value) else plain(found)
