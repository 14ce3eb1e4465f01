"""Why arguments are refused, in words that name the argument, its type and what is allowed."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from wasmfleet.workers.contracts import bounds

_PLACE: Final = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<path>.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]")
_BOUND: Final = re.compile(r"`(\w+)` (?:[<>]=|of length >=) .*", re.DOTALL)
_SHOWN_CHARACTERS: Final = 40


def explained(reason: str, given: Mapping[str, Any], types: Mapping[str, Any]) -> str:
    """Rewrite msgspec's reason with the argument first: `source`: expected `str`, got `int`."""
    found = _PLACE.match(reason)
    if not found:
        return reason[0].lower() + reason[1:]
    what, path, hint = found["what"], *_followed(found["path"], given, types)
    choices = [choice for choice in get_args(hint) if get_origin(hint) is Literal]
    allowed = f"; allowed are {', '.join(choices)}" if choices else ""
    return f"`{path}`: {_bounded(what[0].lower() + what[1:], hint)}{allowed}"


def _bounded(what: str, hint: Any) -> str:
    meta = bounds.of(hint)
    told = meta and bounds.told(meta)
    return _BOUND.sub(lambda found: f"`{found[1]}[{told}]`", what) if told else what


def _followed(path: str, given: Mapping[str, Any], types: Mapping[str, Any]) -> tuple[str, Any]:
    """Return msgspec's path with the names of mappings in place of `...`, and the type of what lies there."""
    value: Any = given
    hint: Any = None
    shown = ""
    for name, index in _STEP.findall(path):
        if name:
            value, hint, shown = value.get(name) if hint is None else None, types.get(name), f"{shown}{name}"
            continue
        inner = _within(hint)
        step: Any = int(index) if index != "..." else _refused(value, inner)
        if inner is None or step is None or not isinstance(value, list | tuple | dict):
            return path, None
        value, hint, shown = value[step], inner, f"{shown}[{_shown(step)}]"
    return shown, hint


def _within(hint: Any) -> Any:
    """Return the type of the elements of a list, or of the values of a mapping; None for any other type."""
    if get_origin(hint) in (list, dict):
        return get_args(hint)[-1]
    return next((found for part in get_args(hint) if (found := _within(part)) is not None), None)


def _refused(value: Any, inner: Any) -> str | None:
    """Find the first name of a mapping whose value is not of this type."""
    for name, candidate in value.items() if isinstance(value, dict) and inner is not None else ():
        try:
            msgspec.convert(candidate, inner, builtin_types=(bytes,))
        except msgspec.ValidationError:
            return str(name)
    return None


def _shown(step: Any) -> str:
    return str(step) if isinstance(step, int) else repr(step[:_SHOWN_CHARACTERS])
