"""Messages that are no call: set aside, answered with a typed error where there is an id, and acknowledged."""

import sqlite3
import time
from typing import Any

from celery.utils.log import get_task_logger
from celery.worker.consumer import Consumer
from redis.exceptions import RedisError

from wasmfleet.workers import outcomes, quarantine, set_aside
from wasmfleet.workers.errors import InvalidArguments, UnknownOperation, WasmfleetError
from wasmfleet.workers.intake import intake

_logger = get_task_logger(__name__)


class TypedConsumer(Consumer):
    """Celery's consumer, but what it cannot run gets a typed error; its content is never printed."""

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        name = str(message.headers.get("task"))[:200]
        self._refuse(
            message,
            name,
            UnknownOperation(f"this fleet has no operation {name!r}; `wasmfleet ops` lists them"),
        )

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        name = str(message.headers.get("task"))[:200]
        self._refuse(message, name, InvalidArguments(f"the message for {name!r} is malformed: {exc}"))

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._refuse(message, "", UnknownOperation("the message names no task"))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        kind = message.content_type
        self._refuse(
            message,
            "",
            InvalidArguments(f"a message of type {kind!r} cannot be decoded; send msgpack or json"),
        )

    def _refuse(self, message: Any, name: str, error: WasmfleetError) -> None:
        task_id = (message.headers or {}).get("id") or (message.properties or {}).get("correlation_id")
        _logger.error("refused message %s: %s", task_id, error)
        try:
            quarantine.keep(set_aside.refused(message, name, self.hostname, error))
            if isinstance(task_id, str):
                outcomes.log().write([_row(task_id, name, self.hostname, error)])
                self.app.backend.store_result(task_id, error, "FAILURE")
        except (RedisError, sqlite3.OperationalError) as trouble:
            intake.pause(str(trouble))
            message.reject_log_error(_logger, self.connection_errors, requeue=True)  # type: ignore[attr-defined]
        else:
            message.ack_log_error(_logger, self.connection_errors)  # type: ignore[attr-defined]


def _row(task_id: str, name: str, worker: str, error: WasmfleetError) -> outcomes.Row:
    now = time.time()
    return outcomes.Row(
        task_id=task_id,
        operation=name,
        lane="any",
        outcome="error",
        error_code=error.code,
        error_message=str(error),
        worker=worker,
        started_at=now,
        finished_at=now,
    )
