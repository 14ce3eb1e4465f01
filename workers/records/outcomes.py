"""The result log: one SQLite file for each node, with one row for each item, written before Celery stores the result.

The key is (task_id, item). The first outcome stands; a later execution only raises `executions`.
"""

import contextlib
import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlite_utils import Database, Migrations

from wasmfleet.config.settings import Settings, SettingsError, settings
from wasmfleet.workers.node import private_files
from wasmfleet.workers.node.data_folder import result_log
from wasmfleet.workers.records.filesystem import refuse_network_filesystem
from wasmfleet.workers.safe_text import storable

BUSY_TIMEOUT_S: Final = 3.0  # less than the time between a call's time limit and the kill of its process
READ_LIMIT_S: Final = 30.0
_AGAIN_S: Final = 0.05
_DAY_S: Final = 86_400
_MOST: Final = (1 << 63) - 1
#: Columns whose text a message, a guest or a file may have chosen. Ids are checked when a message arrives.
_FROM_OUTSIDE: Final = frozenset(["operation", "error_message", "handed_over", "worker"])
_migrations: Final = Migrations("wasmfleet.results")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One item's outcome. Times of day are Unix seconds, durations microseconds, sizes bytes."""

    task_id: str
    item: int = 0
    operation: str
    lane: str
    engine: Literal["wasm", "python", ""] = ""
    outcome: Literal["ok", "error", "revoked", "expired", "lost"]
    error_code: str | None = None
    error_message: str | None = None
    executions: int = 1
    attempt: int = 1
    worker: str
    handed_over: str | None = None
    module_sha256: str | None = None
    input_digest: str | None = None
    input_bytes: int = 0
    output_bytes: int = 0
    wait_us: int | None = None
    run_us: int = 0
    queued_at: float | None = None
    started_at: float
    finished_at: float


_COLUMNS: Final = Row.__struct_fields__
_INSERT: Final = (
    f"INSERT INTO results ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT (task_id, item) DO "
)
_COUNT_ANOTHER: Final = "UPDATE SET executions = executions + 1"


@_migrations()
def create_results(database: Database) -> None:
    types = {"str": str, "int": int, "float": float, "Literal": str}
    columns = {
        name: next(kind for word, kind in types.items() if word in _annotation(name)) for name in _COLUMNS
    }
    required = {"operation", "lane", "outcome", "executions", "worker", "started_at", "finished_at"}
    table = database.table("results")
    table.create(columns, pk=("task_id", "item"), not_null=required)
    table.create_index(["finished_at"])
    table.create_index(["operation", "outcome"])


def _annotation(name: str) -> str:
    declared = Row.__annotations__[name]
    return getattr(declared, "__name__", str(declared)) if isinstance(declared, type) else str(declared)


def open_log(settings: Settings) -> Database:
    """Open the log, created or migrated where need be. Raises sqlite3.OperationalError, SettingsError."""
    try:
        private_files.folder(settings.data_dir)
        private_files.create(result_log(settings))
    except (OSError, SettingsError) as error:
        raise sqlite3.OperationalError(str(error)) from None
    refuse_network_filesystem(settings.data_dir)
    connection = sqlite3.connect(result_log(settings), timeout=BUSY_TIMEOUT_S, isolation_level=None)
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    database = Database(connection)
    if _migrations.pending(database):
        _migrations.apply(database)
    return database


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Change the journal of a new file, which fails at once where another process does so, whatever the time-out."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_AGAIN_S)


class Log:
    """A connection to the log, opened at its first use and again after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None
        self._inherited: Database | None = None
        self._process = 0

    def write(self, rows: Sequence[Row], *, unless_there: bool = False) -> None:
        """Write all rows in one transaction, or none. Raises sqlite3.OperationalError.

        A row that is already there stands: its `executions` rise by one or, with `unless_there`, stay.
        """
        values = [tuple(_column(name, getattr(row, name)) for name in _COLUMNS) for row in rows]
        try:
            with self._transaction() as connection:
                connection.executemany(_INSERT + ("NOTHING" if unless_there else _COUNT_ANOTHER), values)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise sqlite3.OperationalError(f"{result_log(self._settings)} is damaged: {error}") from error

    def failures(self, task_id: str) -> tuple[int, int]:
        """Return how many of a message's rows are no success, and how many it has. Raises sqlite3.OperationalError."""
        counts = "SELECT coalesce(sum(outcome != 'ok'), 0), count(*) FROM results WHERE task_id = ?"
        [(failed, items)] = self._opened().conn.execute(counts, [task_id])
        return failed, items

    def probe(self) -> None:
        """Write to the disk without changing anything, to find out whether the log works. Raises sqlite3.Error."""
        with self._transaction() as connection:
            connection.execute("PRAGMA user_version = 1")

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the main file, as far as readers allow."""
        self._opened().conn.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def forget_older_than(self, days: float) -> int:
        """Delete the rows that finished more than so many days ago, and return their number."""
        with self._transaction() as connection:
            oldest = time.time() - days * _DAY_S
            return connection.execute("DELETE FROM results WHERE finished_at < ?", [oldest]).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection: sqlite3.Connection = self._opened().conn
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _opened(self) -> Database:
        if self._database is None or self._process != os.getpid():
            # A connection from before a fork is kept open: closing it here would disturb the process that owns it.
            self._inherited = self._database
            self._database, self._process = open_log(self._settings), os.getpid()
        return self._database


def _column(name: str, value: Any) -> Any:
    """Convert a value to one that SQLite can store, because senders and guests choose some of them."""
    if name in _FROM_OUTSIDE:
        return None if value is None else storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return max(-_MOST, min(value, _MOST)) if isinstance(value, int) else value


_logs: dict[int, Log] = {}


def log() -> Log:
    """Return this thread's connection to the log; SQLite lets only the thread that opened a connection use it."""
    return _logs.setdefault(threading.get_ident(), Log(settings()))


def query(
    settings: Settings, where: str = "1", parameters: Sequence[Any] = (), limit: int = 100
) -> list[dict[str, Any]]:
    """Return at most `limit` rows of the log that fulfil an SQL condition, as dictionaries, newest first.

    Raises sqlite3.OperationalError, also where reading takes longer than `READ_LIMIT_S`.
    """
    database = open_log(settings)
    _limit_time(database.conn)
    table = database.table("results")
    return list(table.rows_where(where, list(parameters), order_by="finished_at desc, item", limit=limit))


def _limit_time(connection: sqlite3.Connection) -> None:
    """Interrupt queries of this connection after a time: while one reads, the write-ahead log can only grow."""
    deadline = time.monotonic() + READ_LIMIT_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
