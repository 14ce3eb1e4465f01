"""Statistics of the result log: which lanes served, how often, how long, and why items were handed over."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import data_folder
from wasmfleet.workers.records import outcomes

_IDS_A_QUERY: Final = 500
_ERRORS: Final = "'error', 'lost'"
_WITHDRAWN: Final = "'revoked', 'expired'"


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of one operation's rows. Times are milliseconds, None where no row has one.

    `withdrawn` counts the calls that were revoked or expired before they ended; these are no errors.
    """

    operation: str
    count: int
    errors: int
    error_rate: float
    withdrawn: int
    run_p50_ms: float | None
    run_p95_ms: float | None
    wait_p50_ms: float | None
    wait_p95_ms: float | None


def engines(settings: Settings, task_ids: Sequence[str]) -> Counter[str]:
    """Count items by the engine that served them; empty where this node's log has none of the tasks."""
    served: Counter[str] = Counter()
    for some in _portions(task_ids):
        query = f"SELECT engine, count(*) FROM results WHERE task_id IN ({_marks(some)}) GROUP BY engine"  # noqa: S608
        served.update({engine or "none": count for engine, count in _select(settings, query, some)})
    return served


def runs_ms(settings: Settings, task_ids: Sequence[str]) -> list[float | None]:
    """List each item's run time in milliseconds, None for one that failed."""
    found: list[float | None] = []
    for some in _portions(task_ids):
        query = f"SELECT outcome, run_us FROM results WHERE task_id IN ({_marks(some)})"  # noqa: S608
        found += [
            run_us / 1000 if outcome == "ok" else None for outcome, run_us in _select(settings, query, some)
        ]
    return found


def reasons(settings: Settings, task_ids: Sequence[str]) -> list[str]:
    """List the reasons why some of these tasks were handed over to plain Python."""
    found: set[str] = set()
    for some in _portions(task_ids):
        query = f"SELECT DISTINCT handed_over FROM results WHERE handed_over != '' AND task_id IN ({_marks(some)})"  # noqa: S608
        found |= {reason for (reason,) in _select(settings, query, some)}
    return sorted(found)


def handed_over(settings: Settings, within_s: float) -> Counter[str]:
    """Count the items of the last `within_s` seconds that were handed over to plain Python, by reason."""
    query = "SELECT handed_over, count(*) FROM results WHERE handed_over != '' AND finished_at > ? GROUP BY handed_over"
    return Counter(dict(_select(settings, query, [time.time() - within_s])))


def by_operation(settings: Settings, where: str, parameters: Sequence[Any]) -> list[Tally]:
    """Make one tally for each operation, of the rows that fulfil an SQL condition."""
    counted = ", ".join(f"sum(outcome IN ({some}))" for some in (_ERRORS, _WITHDRAWN))
    query = f"SELECT operation, count(*), {counted} FROM results WHERE {where} GROUP BY operation"  # noqa: S608
    return [_tally(settings, where, parameters, *row) for row in _select(settings, query, parameters)]


def _tally(
    settings: Settings,
    where: str,
    parameters: Sequence[Any],
    operation: str,
    count: int,
    errors: int,
    withdrawn: int,
) -> Tally:
    def percentile(column: str, share: float) -> float | None:
        return _percentile_ms(
            settings, column, share, f"({where}) AND operation = ?", [*parameters, operation]
        )

    return Tally(
        operation=operation,
        count=count,
        errors=errors,
        error_rate=errors / count,
        withdrawn=withdrawn,
        run_p50_ms=percentile("run_us", 0.5),
        run_p95_ms=percentile("run_us", 0.95),
        wait_p50_ms=percentile("wait_us", 0.5),
        wait_p95_ms=percentile("wait_us", 0.95),
    )


def _percentile_ms(
    settings: Settings, column: str, share: float, where: str, parameters: Sequence[Any]
) -> float | None:
    """Compute a percentile by nearest rank, so that it is a time that was really measured."""
    rows = f"FROM results WHERE {column} IS NOT NULL AND {where}"
    [(count,)] = _select(settings, f"SELECT count(*) {rows}", parameters)
    rank = max(0, -int(-count * share // 1) - 1)
    query = f"SELECT {column} {rows} ORDER BY {column} LIMIT 1 OFFSET {rank}"
    return next((value / 1000 for (value,) in _select(settings, query, parameters)), None)


def _select(settings: Settings, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    if not data_folder.result_log(settings).exists():
        return []
    log = outcomes.open_log(settings)
    try:
        return list(log.conn.execute(query, list(parameters)))
    finally:
        log.close()


def _portions(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(task_ids), _IDS_A_QUERY):
        yield task_ids[start : start + _IDS_A_QUERY]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
