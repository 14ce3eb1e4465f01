"""A message in a worker's main process, from the moment it is taken until it is acknowledged or goes back.

Most calls end in a child, which logs them. What no child can end is ended and logged here: a call that outlived its
hard time limit, expired, was cancelled, or lost its process.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.utils.log import get_task_logger
from celery.worker import state
from redis.exceptions import RedisError

from wasmfleet.config.celery import BATCH, BATCH_FACTOR, batch_time_limit
from wasmfleet.config.settings import settings
from wasmfleet.workers.again import Again, LargeResultRefused, Unlogged
from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import Cancelled, OutputTooLarge, Quarantined, WasmfleetError
from wasmfleet.workers.fleet_state import poison, quarantine
from wasmfleet.workers.fleet_state import state as shared_state
from wasmfleet.workers.internals.celery_worker import WorkerRequest
from wasmfleet.workers.reception import ends, envelope, parking, returning, set_aside
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.records import outcomes, results
from wasmfleet.workers.untrusted import message_body
from wasmfleet.workers.untrusted.undecoded import IS_JSON, Undecoded

_logger = get_task_logger(__name__)


class LoggedRequest(WorkerRequest):
    """Celery's request (5.7, worker/request.py), which logs every end of a call before it acknowledges the message."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        body = envelope.undecoded(self.message)
        self.is_parked = parking.park(self.message)
        self.hand_over(replace(body, body=b"") if self.is_parked else body)
        self.request_dict[IS_JSON] = body.content_type == message_body.JSON
        self.time_limits = (self._hard_limit_s(), None)
        self._is_ending = self._ends_acknowledged = self._is_braked = self._goes_back = False

    @property
    def body(self) -> Undecoded:
        """The body as it was sent, undecoded; one that is parked in the broker is fetched from there now.

        Raises redis.RedisError, and LookupError where the broker has it no longer.
        """
        own: Undecoded = self.handed_over
        return replace(own, body=parking.fetch(self.message)) if self.is_parked else own

    def follow_ups(self) -> dict[str, Any]:
        """Return what follows the call. The arguments beside it in the body stay undecoded."""
        return self.body.embed()

    def _hard_limit_s(self) -> float:
        """Return after how many seconds the child is killed: what the sender asked for, at most what is set here.

        A sender's soft limit is enforced by the lane (`limit_s` in our header), so Celery gets none: its signal would
        strike while a row is being written. A message of another client is killed five seconds after its soft limit.
        """
        is_batch = self.task.name == BATCH
        most_s = batch_time_limit(settings()) if is_batch else settings().hard_time_limit
        hard_s, soft_s = self.time_limits
        asked_s = hard_s or (soft_s * (BATCH_FACTOR if is_batch else 1) + 5 if soft_s else None)
        return float(min(asked_s or most_s, most_s))

    @property
    def argsrepr(self) -> str:
        """What Flower shows of the arguments by place: the shape that our client sent, never their content."""
        return str(super().argsrepr) if self._is_ours() else "(…)"

    @property
    def kwargsrepr(self) -> str:
        """What Flower shows of the arguments by name, as `argsrepr`."""
        return str(super().kwargsrepr) if self._is_ours() else "{…}"

    def info(self, safe: bool = False) -> Any:
        """Describe the call for `celery inspect` and Flower, as Celery does, but without its arguments."""
        return {**super().info(safe=True), "args": self.argsrepr, "kwargs": self.kwargsrepr}

    def send_event(self, type: str, **fields: Any) -> None:
        """Send an event as Celery does, but without the call's result: that may be what somebody had decrypted."""
        if not self.is_watched:
            return
        super().send_event(
            type, **(fields | {"result": self._shown_result()} if "result" in fields else fields)
        )

    def _shown_result(self) -> str:
        """Return what Flower shows of the result: of a batch how many of its calls failed, by their rows in the log."""
        if self.task.name != BATCH:
            return "…"
        try:
            failed, items = outcomes.log().failures(self.id)
        except sqlite3.OperationalError:
            return "…"
        return f"{failed:,} of {counted(items, 'call', 'calls')} failed"

    def _is_ours(self) -> bool:
        return "wasmfleet" in self.request_dict

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Do nothing, where Celery's stores the error and acknowledges.

        The pool has called `on_failure` just before, which writes the row first.
        """

    def end_revoked(self, announce: Callable[[Any], None], reason: str, *, is_expired: bool) -> None:
        """End a call that expired or was cancelled: its row first, then its result and the acknowledgement."""
        error = ends.expired(self) if is_expired else Cancelled("the call was cancelled")
        if self._log("expired" if is_expired else "revoked", error):
            self._unless_away(announce, error if is_expired else reason)

    def acknowledge(self) -> None:
        """Acknowledge the message, as Celery does; one that is being ended, once its result is stored."""
        if self._goes_back:
            return
        if self._is_ending:
            self._ends_acknowledged = True
        else:
            super().acknowledge()
            intake.note_end()

    def reject(self, requeue: bool = False) -> None:
        """Reject the message, as Celery does; where a part of the fleet is away, give it back after a pause."""
        if requeue and self._is_braked and not _is_stopping():
            self._goes_back = True
            returning.later(self.request_dict, partial(super().reject, requeue=True))
        else:
            super().reject(requeue=requeue)

    def _unless_away(self, end: Callable[..., Any], *arguments: Any) -> Any:
        """Call what ends a call in Celery; where it cannot store the result, let the message go back to its queue."""
        self._is_ending = True
        try:
            return end(*arguments)
        except RedisError as error:
            _logger.warning("the result of call %s cannot be stored: %s", self.id, error)
            self._is_braked = True
            intake.pause(str(error), _probe_stores)
            if not self.acknowledged:
                self.reject(requeue=True)
        finally:
            self._is_ending = False
            if self._ends_acknowledged and not self._goes_back:
                super().acknowledge()

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Act on a call that a child could not end, or that a child gave back. Four things differ from Celery's.

        Its row is written before its end is told. A call that kills its process again and again is set aside. A log or
        a store of results that takes nothing pauses the intake. An exception of Celery's own code becomes typed.
        """
        error: Any = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, Again):
            _logger.warning("call %s goes back to its queue: %s", self.id, error.reason)
            self._is_braked = True
            _pause(error)
        if isinstance(error, LargeResultRefused):
            exc_info = self._after_refusal(error) or exc_info
        if isinstance(error, TimeLimitExceeded):
            outlived = ends.outlived(error)
            if not self._log("error", outlived):
                return None
            exc_info = ends.raised(outlived)
        if ended := ends.unexpected(error):
            if not self._log("error", ended, unless_there=True):
                return None
            exc_info = ends.raised(ended)
        if isinstance(error, WorkerLostError) and not _is_stopping():
            exc_info = self._after_death() or exc_info
        return self._unless_away(super().on_failure, exc_info, send_failed_event, return_ok)

    def _after_refusal(self, refused: LargeResultRefused) -> Any:
        """Return what the call fails with, or None where it runs again: few tries so far, or the store is away."""
        try:
            results.probe()
            refusals = poison.count_refusal(self.id)
        except RedisError:
            return None  # the store takes no result now, large or small
        if refusals < poison.MOST_REFUSALS:
            return None
        return ends.raised(OutputTooLarge(f"the call ran {refusals} times; {refused.reason}"))

    def _after_death(self) -> Any:
        """Count the death of the call's process. Return what the call fails with, or None where it runs again."""
        try:
            deaths = poison.count_death(self.id)
            most = poison.MOST_DEATHS_OF_A_BATCH if self.task.name == BATCH else poison.MOST_DEATHS
            then = "it is set aside" if deaths >= most else "it is tried again"
            _logger.warning("call %s lost its process (death %d); %s", self.id, deaths, then)
            return self._set_aside(deaths) if deaths >= most else None
        except (RedisError, sqlite3.OperationalError):
            _logger.exception("the death of call %s could not be noted; it is tried again", self.id)
            self._is_braked = True
            return None

    def _set_aside(self, deaths: int) -> Any:
        """Keep the message in the quarantine. Return what the call fails with."""
        reason = f"it killed its process {deaths} times"
        kept = quarantine.keep(set_aside.killed(self, reason))
        error = Quarantined(
            f"{reason} and is set aside; `wasmfleet quarantine show {self.id}`"
            if kept
            else f"{reason}; it was not kept, for the quarantine is full"
        )
        outcomes.log().write(ends.rows(self, "error", error))
        return ends.raised(error)

    def _log(self, outcome: ends.Outcome, error: WasmfleetError, *, unless_there: bool = False) -> bool:
        """Write the rows of the message's calls. Where that fails, give the message back and return False.

        With `unless_there`, a row that a child has written stands.
        """
        try:
            outcomes.log().write(ends.rows(self, outcome, error), unless_there=unless_there)
        except sqlite3.OperationalError as trouble:
            intake.pause(str(trouble))
            self._is_braked = True
            state.task_ready(self)
            self.reject(requeue=True)
            return False
        return True


def _pause(error: Again) -> None:
    """Pause the intake until what took nothing answers again: the log, or the stores of results and of the state.

    A large result that is refused says nothing about other calls, so that one waits for the next look only.
    """
    until = None if isinstance(error, Unlogged) else _probe_stores
    intake.pause(str(error.reason), until, is_general=not isinstance(error, LargeResultRefused))


def _probe_stores() -> None:
    """Raises redis.RedisError where results or the shared state cannot be written."""
    results.probe()
    shared_state.probe()


def _is_stopping() -> bool:
    asked: set[Any] = {state.should_stop, state.should_terminate}
    return asked != {None}
