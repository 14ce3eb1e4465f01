"""How a call ends that no child could end: with which typed error, and with which rows in the log."""

import time
from typing import Any, Final, Literal

from billiard.einfo import ExceptionInfo
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry
from kombu.exceptions import EncodeError

from wasmfleet.config.celery import BATCH
from wasmfleet.workers.errors import DeadlineExceeded, RuntimeUnavailable, WasmfleetError, typed
from wasmfleet.workers.execution import lanes
from wasmfleet.workers.internals.celery_worker import WorkerRequest
from wasmfleet.workers.records import outcomes
from wasmfleet.workers.untrusted import message_body

Outcome = Literal["error", "revoked", "expired"]

#: The errors of calls, and what Celery and its pool raise to say what becomes of a message.
_EXPECTED: Final = (
    WasmfleetError,
    Reject,
    Ignore,
    Retry,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
    EncodeError,
)


def unexpected(error: Any) -> WasmfleetError | None:
    """Return the typed error of an exception that neither a call nor Celery means to end a message with, else None.

    Such an exception comes from Celery's own code around a call, before or after the call's row is written. At a
    MemoryError Celery would end the whole worker (5.7, worker/request.py, `on_failure`).
    """
    is_expected = isinstance(error, _EXPECTED) or not isinstance(error, Exception)
    return None if is_expected else typed(error)


def outlived(limit: TimeLimitExceeded) -> DeadlineExceeded:
    """Return the typed error of a call whose child was killed at the hard time limit."""
    seconds = float(limit.args[0])
    return DeadlineExceeded(f"the call outlived its time limit; its process was killed after {seconds:g} s")


def expired(request: WorkerRequest) -> WasmfleetError:
    """Return the typed error of a call that expired before a child had it."""
    if lanes.of(request.context) == "wasm":
        return RuntimeUnavailable("no sandbox took the call before it expired")
    return DeadlineExceeded("the call expired before a worker took it")


def raised(error: WasmfleetError) -> ExceptionInfo:
    """Wrap an error in the form in which Celery's request takes what ended a call."""
    try:
        raise error
    except WasmfleetError:
        return ExceptionInfo()


def rows(request: Any, outcome: Outcome, error: WasmfleetError) -> list[outcomes.Row]:
    """Make the rows of a message's calls, which all ended in the same way: one for a call, one an item for a batch."""
    now = time.time()
    operation, count = _calls(request)
    return [
        outcomes.Row(
            task_id=request.id,
            item=item,
            operation=operation,
            lane=lanes.of(request.context),
            outcome=outcome,
            error_code=error.code,
            error_message=str(error),
            worker=request.hostname or "",
            started_at=request.time_start or now,
            finished_at=now,
        )
        for item in range(count)
    ]


def _calls(request: Any) -> tuple[str, int]:
    """Return the operation that a message calls, and how often."""
    if request.task.name != BATCH:
        return request.task.name, 1  # not `request.name`, for which a sender may have chosen another text
    batch = message_body.of_batch(request.body.outline())
    return batch.operation, batch.calls
