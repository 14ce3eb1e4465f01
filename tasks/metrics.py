"""Aggregate samples."""

from typing import TypedDict

from wasmfleet.workers.calls.catalogue import operation
from wasmfleet.workers.contracts.bounds import Finite


class Bucket(TypedDict):
    """How many samples lie above the bucket before and up to `le`, which is None for the last bucket."""

    le: float | None
    count: int


class Summary(TypedDict):
    """The statistics of one series, in the unit of its samples; None where there are no samples."""

    count: int
    failures: int
    min: float | None
    max: float | None
    mean: float | None
    stdev: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p99_9: float | None
    histogram: list[Bucket]


@operation(parity="exact")
def aggregate(series: dict[str, list[Finite | None]], *, edges: list[Finite] = []) -> dict[str, Summary]:  # noqa: B006
    """Summarise each series of samples: count, failures, spread, percentiles and histogram.

    Arguments:

    - `series`: samples by the name of their series, in any unit. A sample of None is a failure: counted, and left out
      of the statistics.
    - `edges`: the upper bounds of the histogram's buckets, inclusive and rising; none given, they are 1, 2 and 5 of
      each decade from 0.001 to 100,000.

    Sums are exact and rounded once, so every mean of finite samples is finite, and no large sample hides small ones.
    `stdev` is that of the sample (n - 1). Percentiles interpolate linearly between the closest ranks (type 7 of
    Hyndman and Fan, 1996). Raises InvalidArguments for edges that do not rise, and for a series whose standard
    deviation is over 1.8e308, the largest number. The lanes agree to a relative difference of 1e-12.
    """
    from wasmfleet.tasks.twins import statistics

    summaries: dict[str, Summary] = statistics.aggregate(series, edges)
    return summaries
