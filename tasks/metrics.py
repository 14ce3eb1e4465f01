"""Aggregation of samples."""

from typing import TypedDict

from wasmfleet.workers.calls.catalogue import operation


class Bucket(TypedDict):
    """Samples above the bucket before and up to `le`, which is None for the last."""

    le: float | None
    count: int


class Summary(TypedDict):
    """Of one series. Without samples the statistics are None."""

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
def aggregate(series: dict[str, list[float | None]], *, edges: list[float] = []) -> dict[str, Summary]:  # noqa: B006
    """Count, failures, spread, percentiles and histogram of each series of samples.

    A sample of None is a failure: counted, and left out of the statistics. `stdev` is of the sample (n - 1).
    Percentiles interpolate linearly between the closest ranks (type 7 of Hyndman and Fan 1996). `edges` are the
    rising upper bounds of the histogram's buckets, inclusive; none given, they are 1, 2 and 5 of each decade
    from 0.001 to 100,000. Samples that are not finite are InvalidArguments. Lanes agree to 1e-12 relative.
    """
    from wasmfleet.tasks.twins import statistics

    summaries: dict[str, Summary] = statistics.aggregate(series, edges)
    return summaries
