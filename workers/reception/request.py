"""What happens to a message in the main process, where no child can log it: time-outs, expiry, revocation."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

from billiard.einfo import ExceptionInfo
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.log import get_task_logger
from celery.worker import state
from celery.worker.request import Request
from kombu.exceptions import EncodeError
from redis.exceptions import RedisError

from wasmfleet.config.celery import BATCH, BATCH_FACTOR, batch_time_limit
from wasmfleet.config.settings import settings
from wasmfleet.workers.again import Again, LargeResultRefused, ResultRefused, Unlogged
from wasmfleet.workers.errors import (
    Cancelled,
    DeadlineExceeded,
    OutputTooLarge,
    Quarantined,
    RuntimeUnavailable,
    WasmfleetError,
    typed,
)
from wasmfleet.workers.execution import lanes
from wasmfleet.workers.fleet_state import poison, quarantine
from wasmfleet.workers.reception import envelope, parking, set_aside
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.records import outcomes, results
from wasmfleet.workers.untrusted import message_body
from wasmfleet.workers.untrusted.undecoded import Undecoded

_logger = get_task_logger(__name__)
#: What calls end with, and how Celery tells of what becomes of a message.
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


class LoggedRequest(Request):
    """Celery's request, whose every final outcome has its row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._body = envelope.undecoded(self.message)
        self._content_type = self._content_encoding = None
        self.is_parked = parking.park(self.message)
        if self.is_parked:
            self._body = replace(self._body, body=b"")
        self.time_limits = (self._hard_limit_s(), None)
        self._is_ending = self._ends_acknowledged = False

    @property
    def body(self) -> Undecoded:
        """The body; one that stayed in the broker is taken from there now. Raises redis.RedisError, LookupError."""
        if self.is_parked:
            return replace(self._body, body=parking.fetch(self.message))
        return self._body

    @property
    def _payload(self) -> Any:
        """What Celery reads of a body where a call ends in the main process: what follows it, never its arguments."""
        return [], {}, self.body.embed()

    def _hard_limit_s(self) -> float:
        """Seconds after which the child is killed: what the sender asked for, at most what this worker allows.

        The soft limit is the lane's, a call's: Celery's would strike inside a log write.
        """
        is_batch = self.task.name == BATCH
        most_s = batch_time_limit(settings()) if is_batch else settings().hard_time_limit
        hard_s, soft_s = self.time_limits
        asked_s = hard_s or (soft_s * (BATCH_FACTOR if is_batch else 1) + 5 if soft_s else None)
        return float(min(asked_s or most_s, most_s))

    @property
    def argsrepr(self) -> str:
        """What Flower shows of the arguments: their shape, from callers who sent it; never their content."""
        return str(super().argsrepr) if self._is_ours() else "(…)"

    @property
    def kwargsrepr(self) -> str:
        return str(super().kwargsrepr) if self._is_ours() else "{…}"

    def info(self, safe: bool = False) -> Any:
        """What `inspect` and Flower's page of a worker show."""
        return {**super().info(safe=True), "args": self.argsrepr, "kwargs": self.kwargsrepr}

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery's events, without the result: it may be what someone had decrypted."""
        super().send_event(type, **(fields | {"result": "…"} if "result" in fields else fields))

    def _is_ours(self) -> bool:
        return "wasmfleet" in self.request_dict

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Nothing: the pool calls `on_failure` just before, where the row is written before the end is told."""

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        error = self._expired() if expired else Cancelled("the call was cancelled")
        if self._log("expired" if expired else "revoked", error):
            announce = super()._announce_revoked  # type: ignore[misc]
            self._unless_away(announce, error if expired else reason, terminated, signum, expired)

    def _expired(self) -> WasmfleetError:
        if lanes.of(_context(self)) == "wasm":
            return RuntimeUnavailable("no sandbox took the call before it expired")
        return DeadlineExceeded("the call expired before a worker took it")

    def acknowledge(self) -> None:
        """Celery's, but a call that ends is acknowledged after its result is stored, not before."""
        if self._is_ending:
            self._ends_acknowledged = True
        else:
            super().acknowledge()

    def _unless_away(self, end: Callable[..., Any], *arguments: Any) -> Any:
        """Ends the call as Celery does; where its result cannot be stored, the message goes back."""
        self._is_ending = True
        try:
            return end(*arguments)
        except RedisError as error:
            _logger.warning("the result of call %s cannot be stored: %s", self.id, error)
            if not self.acknowledged:
                self.reject(requeue=True)
        finally:
            self._is_ending = False
            if self._ends_acknowledged:
                super().acknowledge()

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Celery's, but a call that goes on killing its process is set aside, and a log or a store of results that
        takes nothing stops the intake."""
        error: Any = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, Again):
            _logger.warning("call %s goes back to its queue: %s", self.id, error.reason)
        if isinstance(error, Unlogged):
            intake.pause(str(error.reason))
        elif isinstance(error, ResultRefused) or (isinstance(error, Again) and settings().amqp):
            # Or it would run again at once, and again; RabbitMQ 4 drops what came back 20 times.
            intake.pause(str(error.reason), until=results.probe)
        if isinstance(error, LargeResultRefused):
            exc_info = self._after_refusal(error) or exc_info
        if isinstance(error, TimeLimitExceeded):
            outlived = _outlived(error)
            if not self._log("error", outlived):
                return None
            exc_info = _raised(outlived)
        if ended := _unexpected(error):
            if not self._log("error", ended, unless_there=True):
                return None
            exc_info = _raised(ended)
        if isinstance(error, WorkerLostError) and not _is_stopping():
            exc_info = self._after_death() or exc_info
        return self._unless_away(super().on_failure, exc_info, send_failed_event, return_ok)

    def _after_refusal(self, refused: LargeResultRefused) -> Any:
        """What to fail with instead of running again, or nothing."""
        try:
            results.probe()
            refusals = poison.count_refusal(self.id)
        except RedisError:
            return None  # no results are taken now, large or small
        if refusals < poison.MOST_REFUSALS:
            return None
        return _raised(OutputTooLarge(f"the call ran {refusals} times; {refused.reason}"))

    def _after_death(self) -> Any:
        """What to fail with instead of trying again, or nothing."""
        try:
            deaths = poison.count_death(self.id)
            most = poison.MOST_DEATHS_OF_A_BATCH if self.task.name == BATCH else poison.MOST_DEATHS
            then = "it is set aside" if deaths >= most else "it is tried again"
            _logger.warning("call %s lost its process, the %d. time; %s", self.id, deaths, then)
            return self._set_aside(deaths) if deaths >= most else None
        except (RedisError, sqlite3.OperationalError):
            _logger.exception("the death of %s could not be noted; it is tried again", self.id)
            return None

    def _set_aside(self, deaths: int) -> Any:
        reason = f"it killed its process {deaths} times"
        kept = quarantine.keep(set_aside.killed(self, reason))
        error = Quarantined(
            f"{reason} and is set aside; `wasmfleet quarantine show {self.id}`"
            if kept
            else f"{reason}; it was not kept, for the quarantine is full"
        )
        outcomes.log().write(_rows(self, "error", error))
        return _raised(error)

    def _log(
        self,
        outcome: Literal["error", "revoked", "expired"],
        error: WasmfleetError,
        *,
        unless_there: bool = False,
    ) -> bool:
        """Writes the outcome's rows; where that cannot be, the message goes back and nothing is acknowledged."""
        try:
            outcomes.log().write(_rows(self, outcome, error), unless_there=unless_there)
        except sqlite3.OperationalError as trouble:
            intake.pause(str(trouble))
            state.task_ready(self)
            self.reject(requeue=True)
            return False
        return True


def _unexpected(error: Any) -> WasmfleetError | None:
    """What to tell of an exception that no call ends with: one of Celery's own, around it. It may have no row yet.

    Of a MemoryError, Celery would end this process (5.7, worker/request.py).
    """
    is_expected = isinstance(error, _EXPECTED) or not isinstance(error, Exception)
    return None if is_expected else typed(error)


def _outlived(limit: TimeLimitExceeded) -> DeadlineExceeded:
    seconds = float(limit.args[0])
    return DeadlineExceeded(f"the call outlived its time limit; its process was killed after {seconds:g} s")


def _raised(error: WasmfleetError) -> ExceptionInfo:
    """As Celery wants an error that ends a call."""
    try:
        raise error
    except WasmfleetError:
        return ExceptionInfo()


def _is_stopping() -> bool:
    asked: set[Any] = {state.should_stop, state.should_terminate}
    return asked != {None}


def _context(request: Request) -> Any:
    return request._context  # type: ignore[attr-defined]


def _rows(
    request: Request, outcome: Literal["error", "revoked", "expired"], error: WasmfleetError
) -> list[outcomes.Row]:
    """The outcome of each call in the message."""
    now = time.time()
    operation, count = _calls(request)
    return [
        outcomes.Row(
            task_id=request.id,
            item=item,
            operation=operation,
            lane=lanes.of(_context(request)),
            outcome=outcome,
            error_code=error.code,
            error_message=str(error),
            worker=request.hostname or "",
            started_at=request.time_start or now,
            finished_at=now,
        )
        for item in range(count)
    ]


def _calls(request: Request) -> tuple[str, int]:
    """Which operation a message calls, and how often."""
    if request.task.name != BATCH:
        return request.task.name, 1  # `request.name` may be a shadow
    batch = message_body.of_batch(request.body.outline())
    return batch.operation, batch.calls
