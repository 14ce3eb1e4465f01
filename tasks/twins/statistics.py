"""Compute the statistics of samples; sums are exact."""

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Any, Final

from wasmfleet.workers.errors import InvalidArguments

_DEFAULT_EDGES: Final = [*(float(f"{digit}e{power}") for power in range(-3, 5) for digit in (1, 2, 5)), 1e5]
_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


def aggregate(series: dict[str, list[float | None]], edges: list[float]) -> Any:
    chosen = edges or _DEFAULT_EDGES
    if not all(map(math.isfinite, chosen)) or any(one >= next_ for one, next_ in pairwise(chosen)):
        raise InvalidArguments("edges: give finite numbers, each larger than the one before")
    return {name: _summary(name, samples, chosen) for name, samples in series.items()}


def _summary(name: str, samples: list[float | None], edges: list[float]) -> dict[str, Any]:
    given = sorted(float(sample) for sample in samples if sample is not None)
    for sample in given:
        if not math.isfinite(sample):
            raise InvalidArguments(f"series {name!r}: {sample} is not a finite number")
    mean = _sum(given) / len(given) if given else None
    return {
        "count": len(given),
        "failures": len(samples) - len(given),
        "min": given[0] if given else None,
        "max": given[-1] if given else None,
        "mean": mean,
        "stdev": None if mean is None else _deviation(given, mean),
        **{label: _percentile(given, quantile) for label, quantile in _PERCENTILES.items()},
        "histogram": _histogram(given, edges),
    }


def _sum(samples: list[float]) -> float:
    try:
        return math.fsum(samples)
    except OverflowError:
        return math.inf if sum(samples) > 0 else -math.inf


def _deviation(samples: list[float], mean: float) -> float:
    if len(samples) < 2:
        return 0.0
    return math.sqrt(_sum([(sample - mean) * (sample - mean) for sample in samples]) / (len(samples) - 1))


def _percentile(ordered: list[float], quantile: float) -> float | None:
    if not ordered:
        return None
    rank = quantile * (len(ordered) - 1)
    below = math.floor(rank)
    low = ordered[below]
    high = ordered[below + 1] if below + 1 < len(ordered) else low
    return low + (high - low) * (rank - below)


def _histogram(ordered: list[float], edges: list[float]) -> list[dict[str, Any]]:
    until = [0, *(bisect_right(ordered, edge) for edge in edges), len(ordered)]
    bounds: list[float | None] = [*edges, None]
    return [
        {"le": bound, "count": end - start}
        for bound, (start, end) in zip(bounds, pairwise(until), strict=True)
    ]
