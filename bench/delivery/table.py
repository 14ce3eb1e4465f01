"""The figures of a run as the table of docs/transport.md: a line for each figure, a column for each system."""

from collections.abc import Mapping
from typing import Any, Final

from bench.delivery.rows import ROWS
from bench.delivery.systems import SYSTEMS

_SPEED: Final = {
    "no_ops_a_second": "empty tasks a second",
    "latency_p50_ms": "from publishing to done on an idle worker, ms: median",
    "latency_p95_ms": "… 95th percentile",
    "latency_from_celerys_own_p50_ms": "the same, published by Celery's own transport: median",
    "latency_from_celerys_own_p95_ms": "… 95th percentile",
    "idle_commands_a_second": "commands a second of an idle worker",
    "idle_cpu_percent": "CPU of the main process of an idle worker that has the transport only, %",
}


def table(figures: Mapping[str, Any]) -> str:
    """Write a table in Markdown, of the rows that were measured."""
    lines = [
        "| | " + " | ".join(one.name for one in SYSTEMS) + " |",
        "| --- |" + " --- |" * len(SYSTEMS),
    ]
    for row in [name for name in ROWS if name in figures]:
        lines += _lines(figures[row], ROWS[row][0], {})
    return "\n".join(lines + _lines(figures.get("speed", {}), "", _SPEED))


def _lines(found: Mapping[str, Mapping[str, Any]], title: str, names: Mapping[str, str]) -> list[str]:
    """Write a line for each figure that was measured of these systems."""
    measured = next(iter(found.values()), {})
    return [
        f"| {': '.join(filter(None, (title, names.get(figure, figure.replace('_', ' ')))))} | "
        + " | ".join(str(found[one.name].get(figure, "")) for one in SYSTEMS)
        + " |"
        for figure in measured
    ]
