"""Bounds of numbers in a contract: the types that state them, and the bounds in words."""

import sys
from typing import Annotated, Any, Final, get_args

import msgspec

_LARGEST: Final = sys.float_info.max
_POWERS: Final = {1 << power: f"2^{power}" for power in (31, 32, 53, 63, 64)}

#: A float that is neither infinite nor NaN: a bound refuses NaN too, which is not within any.
Finite = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
#: A number of bytes, up to the largest whole number that every language's JSON keeps exact.
Size = Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]


def of(hint: Any) -> msgspec.Meta | None:
    """Return what bounds a type states, also where the type is one of several, as in `int | None`."""
    for part in get_args(hint):
        if isinstance(part, msgspec.Meta):
            return part
        found = of(part)
        if found is not None:
            return found
    return None


def told(meta: msgspec.Meta) -> str:
    """Write bounds in words: `finite`, `1 to 2^53`, `at least 1 item`; empty for none of these."""
    if meta.ge == -_LARGEST and meta.le == _LARGEST:
        return "finite"
    if meta.ge is not None and meta.le is not None:
        return f"{_number(meta.ge)} to {_number(meta.le)}"
    if meta.min_length:
        return f"at least {meta.min_length} item{'s' if meta.min_length > 1 else ''}"
    return ""


def _number(value: float) -> str:
    return _POWERS.get(value, f"{value:,}") if isinstance(value, int) else f"{value:,g}"
