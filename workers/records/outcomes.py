"""The result log: one SQLite file a node, one row an item, written before Celery stores the result.

Key (task_id, item): the first final outcome stands, a later execution only raises `executions`.
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
from wasmfleet.workers.node import private
from wasmfleet.workers.node.data_folder import result_log
from wasmfleet.workers.records.filesystem import refuse_network_filesystem
from wasmfleet.workers.safe_text import storable

BUSY_TIMEOUT_S: Final = 3.0  # less than the grace between a call's limit and its kill
READ_LIMIT_S: Final = 30.0
_DAY_S: Final = 86_400
_MOST: Final = (1 << 63) - 1
#: What a message, a guest or a file may have written. An id is kept as it is: a message with a bad one has none.
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
    """The log, created or brought to this version's schema. Raises sqlite3.OperationalError where it cannot be used."""
    try:
        private.folder(settings.data_dir)
        private.create(result_log(settings))
    except (OSError, SettingsError) as error:
        raise sqlite3.OperationalError(str(error)) from None
    refuse_network_filesystem(settings.data_dir)
    connection = sqlite3.connect(result_log(settings), timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    database = Database(connection)
    if _migrations.pending(database):
        _migrations.apply(database)
    return database


class Log:
    """One process's connection, opened at first write and never carried over a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None
        self._inherited: Database | None = None
        self._process = 0

    def write(self, rows: Sequence[Row], *, unless_there: bool = False) -> None:
        """All rows in one transaction, or none; a row that is there stands, and counts one execution more, or stays
        as it is with `unless_there`. Raises sqlite3.OperationalError."""
        values = [tuple(_column(name, getattr(row, name)) for name in _COLUMNS) for row in rows]
        try:
            with self._transaction() as connection:
                connection.executemany(_INSERT + ("NOTHING" if unless_there else _COUNT_ANOTHER), values)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise sqlite3.OperationalError(f"{result_log(self._settings)} is damaged: {error}") from error

    def probe(self) -> None:
        """Writes to the disk without changing anything. Raises sqlite3.Error."""
        with self._transaction() as connection:
            connection.execute("PRAGMA user_version = 1")

    def checkpoint(self) -> None:
        """Moves what the write-ahead log holds into the file, as far as readers allow."""
        self._opened().conn.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def forget_older_than(self, days: float) -> int:
        """Deletes the rows that finished before; gives their number."""
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
            self._inherited = self._database  # never closed here: SQLite would tidy up under its owner
            self._database, self._process = open_log(self._settings), os.getpid()
        return self._database


def _column(name: str, value: Any) -> Any:
    """A value as SQLite can keep it: a name, a reason or a time may be a sender's or a guest's."""
    if name in _FROM_OUTSIDE:
        return None if value is None else storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return max(-_MOST, min(value, _MOST)) if isinstance(value, int) else value


_logs: dict[int, Log] = {}


def log() -> Log:
    """This thread's log: a connection of SQLite belongs to one."""
    return _logs.setdefault(threading.get_ident(), Log(settings()))


def query(
    settings: Settings, where: str = "1", parameters: Sequence[Any] = (), limit: int = 100
) -> list[dict[str, Any]]:
    """Rows of the log as dictionaries, newest first."""
    database = open_log(settings)
    _limit_time(database.conn)
    table = database.table("results")
    return list(table.rows_where(where, list(parameters), order_by="finished_at desc, item", limit=limit))


def _limit_time(connection: sqlite3.Connection) -> None:
    """Interrupts a long reader: while one reads, the write-ahead log can only grow."""
    deadline = time.monotonic() + READ_LIMIT_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
