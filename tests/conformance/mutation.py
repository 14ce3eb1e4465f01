"""Strategies for changed copies of known values, which reach cases that random values hardly ever reach."""

import re
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_MOST_EDITS: Final = 3
_TOKEN: Final = re.compile(r"\w+|\s+|[^\w\s]")
_LINE: Final = re.compile(r".*\n|.+")


def of(seeds: Sequence[Any], fresh: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Draw changed seeds: cut, spliced with one another, with parts doubled or replaced by fresh values."""
    found: list[SearchStrategy[Any]] = []
    if texts := [seed for seed in seeds if isinstance(seed, str)]:
        pieces = fresh.filter(lambda value: isinstance(value, str))
        found.append(_edited(texts, pieces))
        for unit in (_TOKEN, _LINE):
            parts = [unit.findall(text) for text in texts]
            found.append(_edited(parts, st.lists(pieces, max_size=1)).map("".join))
    if data := [seed for seed in seeds if isinstance(seed, bytes)]:
        found.append(_edited(data, st.binary(max_size=8)))
    if lists := [seed for seed in seeds if isinstance(seed, list)]:
        found.append(_edited(lists, fresh.filter(lambda value: isinstance(value, list))))
    if maps := [seed for seed in seeds if isinstance(seed, dict)]:
        found.append(_merged(maps, fresh.filter(lambda value: isinstance(value, dict))))
    if numbers := [seed for seed in seeds if isinstance(seed, int | float) and not isinstance(seed, bool)]:
        found.append(st.builds(lambda number, by: number + by, st.sampled_from(numbers), st.integers(-2, 2)))
    return st.one_of(found) if found else st.sampled_from(seeds)


@st.composite
def _edited(draw: DrawFn, seeds: Sequence[Any], fresh: SearchStrategy[Any]) -> Any:
    """Draw a text, bytes or a list in which up to three stretches are replaced."""
    value = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, _MOST_EDITS))):
        start, end = _stretch(draw, value)
        other = draw(st.sampled_from(seeds))
        cut, until = _stretch(draw, other)
        put = draw(st.sampled_from(["nothing", "fresh", "twice", "splice", "whole"]))
        if put == "fresh":
            middle = draw(fresh)
        else:
            middle = {"nothing": value[:0], "twice": value[start:end] * 2, "whole": other}.get(
                put, other[cut:until]
            )
        value = value[:start] + middle + value[end:]
    return value


def _stretch(draw: DrawFn, value: Sequence[Any]) -> tuple[int, int]:
    """Draw where a stretch of the value begins and ends; short ones are more frequent."""
    start = draw(st.integers(0, len(value)))
    return start, min(len(value), start + draw(st.integers(0, 3) | st.integers(0, len(value))))


@st.composite
def _merged(draw: DrawFn, seeds: Sequence[Any], fresh: SearchStrategy[Any]) -> Any:
    """Draw a map with some of the entries of a seed and of another or a fresh map."""
    value, other = draw(st.sampled_from(seeds)), draw(fresh | st.sampled_from(seeds))
    return {name: inner for name, inner in (value | other).items() if draw(st.booleans())}
