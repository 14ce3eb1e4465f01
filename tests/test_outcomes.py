"""The result log: one row for each item, even if the item runs again."""

import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.cli import tallies
from wasmfleet.workers.node.data_folder import result_log
from wasmfleet.workers.records.outcomes import Log, Row, open_log, query


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return replace(settings(), data_dir=tmp_path)


def row(task_id: str, item: int = 0, **changes: object) -> Row:
    now = time.time()
    facts = {
        "operation": "o",
        "lane": "any",
        "outcome": "ok",
        "worker": "w",
        "started_at": now,
        "finished_at": now,
    }
    return Row(task_id=task_id, item=item, **(facts | changes))  # type: ignore[arg-type]


def test_the_first_outcome_stands_and_later_ones_are_counted(own: Settings) -> None:
    log = Log(own)
    log.write([row("a", outcome="error", error_code="DeadlineExceeded")])
    log.write([row("a"), row("b")])

    found = {one["task_id"]: (one["outcome"], one["error_code"], one["executions"]) for one in query(own)}

    assert found == {"a": ("error", "DeadlineExceeded", 2), "b": ("ok", None, 1)}


def test_a_withdrawn_call_is_no_error_in_the_statistics(own: Settings) -> None:
    log = Log(own)
    for outcome in ("ok", "ok", "ok", "error", "lost", "revoked", "revoked", "expired"):
        log.write([row(f"{outcome} {time.monotonic_ns()}", outcome=outcome)])

    [tally] = tallies.by_operation(own, "1", [])

    assert (tally.count, tally.errors, tally.withdrawn, tally.error_rate) == (8, 2, 3, 0.25)


def test_a_message_is_one_transaction(own: Settings) -> None:
    log = Log(own)

    with pytest.raises(sqlite3.IntegrityError):
        log.write([row("a"), row("b", operation=None)])

    assert query(own) == []


def test_old_rows_are_forgotten(own: Settings) -> None:
    log = Log(own)
    log.write([row("old", finished_at=time.time() - 3 * 86_400), row("new")])

    assert log.forget_older_than(days=2) == 1
    assert [one["task_id"] for one in query(own)] == ["new"]


def test_a_child_writes_through_a_connection_of_its_own(own: Settings) -> None:
    log = Log(own)
    log.write([row("parent")])
    if os.fork() == 0:
        log.write([row("child")])
        os._exit(0)
    os.wait()
    log.write([row("parent again")])

    assert {one["task_id"] for one in query(own)} == {"parent", "child", "parent again"}


def test_the_log_is_readable_while_it_is_written(own: Settings) -> None:
    open_log(own).close()

    with sqlite3.connect(result_log(own)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
