"""`wasmfleet results`: print the result log of this node, as rows or as statistics."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import ages, completion, lines, tables

Outcome = Literal["ok", "error", "revoked", "expired", "lost"]
Format = Literal["table", "json", "csv"]


def results(
    operation: Annotated[
        str | None,
        typer.Option(
            help="Only this operation; `ast.*` works too.",
            show_default=False,
            autocompletion=completion.operations,
        ),
    ] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only this outcome.", show_default=False)] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only this task; its first characters do.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Only the last 90s, 30m, 1h, 7d.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most rows to show.")] = 50,
    format: Annotated[Format, typer.Option(help="How the rows are written.")] = "table",
    stats: Annotated[
        bool, typer.Option("--stats", help="Show statistics of each operation instead of rows.")
    ] = False,
) -> None:
    """Show the outcomes logged on this node, newest first."""
    where, parameters = _filter(operation, outcome, task, since)
    rows = _stats(where, parameters) if stats else _rows(where, parameters, limit)
    if format == "json":
        lines.write(lines.json_of(rows))
    elif format == "csv":
        lines.write_csv(rows)
    elif not rows:
        lines.say("the log has no such rows", err=True)
    else:
        _print(rows, stats)


def _print(rows: Sequence[dict[str, Any]], stats: bool) -> None:
    """Print a table; on a narrow terminal the id, the operation and what went wrong are what stays."""
    if stats:
        tables.echo(
            [_tally_cells(row) for row in rows],
            least=("wait p50 ms", "run p50 ms", "wait p95 ms", "withdrawn"),
        )
        return
    cells = [_row_cells(row) for row in rows]
    told = [name for name in cells[0] if name != "what happened" or any(row[name] for row in cells)]
    kept = [{name: row[name] for name in told} for row in cells]
    least = ("in", "out", "wait ms", "run ms", "finished", "served by", "item", "outcome")
    tables.echo(kept, least=[name for name in least if name in told], last_needs=20)


def _filter(
    operation: str | None, outcome: str | None, task: str | None, since: str | None
) -> tuple[str, list[Any]]:
    """Make an SQL condition and its parameters from the options."""
    asked: list[tuple[str, list[Any]]] = []
    if operation:
        full = operation if operation.startswith("wasmfleet.") else f"wasmfleet.{operation}"
        asked.append(("operation GLOB ?", [full]))
    if outcome:
        asked.append(("outcome = ?", [outcome]))
    if task:  # ids that begin with it; a range, so that the log's index finds them
        asked.append(("task_id >= ? AND task_id < ?", [task, task + "\U0010ffff"]))
    if since:
        asked.append(("finished_at >= ?", [time.time() - ages.seconds(since, "--since")]))
    conditions = " AND ".join(condition for condition, _ in asked)
    return conditions or "1", [value for _, values in asked for value in values]


def _rows(where: str, parameters: Sequence[Any], limit: int) -> list[dict[str, Any]]:
    from wasmfleet.workers.node import data_folder
    from wasmfleet.workers.records import outcomes

    if not data_folder.result_log(settings()).exists():
        return []
    return outcomes.query(settings(), where, parameters, limit)


def _stats(where: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    import msgspec

    from wasmfleet.workers.cli import tallies

    return [msgspec.to_builtins(tally) for tally in tallies.by_operation(settings(), where, parameters)]


def _row_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "task": row["task_id"],
        "item": f"{row['item']}",
        "finished": datetime.fromtimestamp(row["finished_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        "operation": row["operation"].removeprefix("wasmfleet."),
        "outcome": row["outcome"],
        "served by": row["engine"] or "-",
        "run ms": _ms(row["run_us"], 1000),
        "wait ms": _ms(row["wait_us"], 1000),
        "in": f"{row['input_bytes']:,}",
        "out": f"{row['output_bytes']:,}",
        "what happened": _what_happened(row),
    }


def _what_happened(row: dict[str, Any]) -> str:
    told = [f"{row['error_code']}: {row['error_message']}"] if row["error_code"] else []
    told += [f"handed over: {row['handed_over']}"] if row["handed_over"] else []
    told += [f"ran {row['executions']} times"] if row["executions"] > 1 else []
    return "; ".join(told)


def _tally_cells(tally: dict[str, Any]) -> dict[str, str]:
    return {
        "operation": tally["operation"].removeprefix("wasmfleet."),
        "items": f"{tally['count']:,}",
        "errors": f"{tally['error_rate']:.2%}",
        "withdrawn": f"{tally['withdrawn']:,}",
        "run p50 ms": _ms(tally["run_p50_ms"]),
        "run p95 ms": _ms(tally["run_p95_ms"]),
        "wait p50 ms": _ms(tally["wait_p50_ms"]),
        "wait p95 ms": _ms(tally["wait_p95_ms"]),
    }


def _ms(value: float | None, divisor: int = 1) -> str:
    return "-" if value is None else f"{value / divisor:,.2f}"
