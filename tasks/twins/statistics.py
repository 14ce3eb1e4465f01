"""Compute the statistics of samples; sums are exact."""

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from wasmfleet.workers.errors import InvalidArguments

_DEFAULT_EDGES: Final = [*(float(f"{digit}e{power}") for power in range(-3, 5) for digit in (1, 2, 5)), 1e5]
_COUNT_BITS: Final = 64  # more than a number of samples can have
_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


def aggregate(series: dict[str, list[float | None]], edges: list[float]) -> Any:
    chosen = edges or _DEFAULT_EDGES
    if any(one >= next_ for one, next_ in pairwise(chosen)):
        raise InvalidArguments("edges: give numbers that are each larger than the one before")
    return {name: _summary(name, samples, chosen) for name, samples in series.items()}


def _summary(name: str, samples: list[float | None], edges: list[float]) -> dict[str, Any]:
    given = sorted(sample for sample in samples if sample is not None)
    return {
        "count": len(given),
        "failures": len(samples) - len(given),
        "min": given[0] if given else None,
        "max": given[-1] if given else None,
        "mean": _mean(given) if given else None,
        "stdev": _deviation(name, given) if given else None,
        **{label: _percentile(given, quantile) for label, quantile in _PERCENTILES.items()},
        "histogram": _histogram(given, edges),
    }


def _mean(samples: list[float]) -> float:
    """Divide the exact sum by the count. The mean is finite even where the sum is not."""
    try:
        return math.fsum(samples) / len(samples)
    except OverflowError:  # also where only a sum on the way is too large
        total = sum(map(Fraction, samples))
    try:
        return float(total) / len(samples)
    except OverflowError:
        return math.ldexp(float(total / (1 << _COUNT_BITS)) / len(samples), _COUNT_BITS)


def _deviation(name: str, ordered: list[float]) -> float:
    """Compute the standard deviation of a sample, which divides by the count less one; 0 for a single value.

    Samples are scaled to below 1, so that no square overflows or vanishes, and the sum of the deviations corrects for
    the rounding of the mean (Chan, Golub and LeVeque 1983).
    """
    if ordered[0] == ordered[-1]:
        return 0.0
    _, power = math.frexp(max(abs(ordered[0]), abs(ordered[-1])))
    scaled = [math.ldexp(sample, -power) for sample in ordered]
    mean = math.fsum(scaled) / len(scaled)
    off = [sample - mean for sample in scaled]
    drift, squares = math.fsum(off), math.fsum([by * by for by in off])
    variance = (squares - drift * drift / len(off)) / (len(off) - 1)
    try:
        return math.ldexp(math.sqrt(max(0.0, variance)), power)
    except OverflowError:
        raise InvalidArguments(
            f"series {name!r}: its standard deviation is over the largest number"
        ) from None


def _percentile(ordered: list[float], quantile: float) -> float | None:
    if not ordered:
        return None
    rank = quantile * (len(ordered) - 1)
    below = math.floor(rank)
    low = ordered[below]
    high = ordered[below + 1] if below + 1 < len(ordered) else low
    between, part = high - low, rank - below
    return low * (1 - part) + high * part if math.isinf(between) else low + between * part


def _histogram(ordered: list[float], edges: list[float]) -> list[dict[str, Any]]:
    until = [0, *(bisect_right(ordered, edge) for edge in edges), len(ordered)]
    bounds: list[float | None] = [*edges, None]
    return [
        {"le": bound, "count": end - start}
        for bound, (start, end) in zip(bounds, pairwise(until), strict=True)
    ]
