"""What happens to a message in the main process, where no child can log it: time-outs, expiry, revocation."""

import sqlite3
import time
from typing import Any, Literal

from celery.utils.log import get_task_logger
from celery.worker.request import Request

from wasmfleet.workers import lanes, outcomes
from wasmfleet.workers.errors import Cancelled, DeadlineExceeded, RuntimeUnavailable, WasmfleetError

_logger = get_task_logger(__name__)


class LoggedRequest(Request):
    """Celery's request, whose every final outcome has its row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hard_s, soft_s = self.time_limits
        # The soft limit is the lane's: Celery's would strike inside a log write.
        self.time_limits = (hard_s or (soft_s + 5 if soft_s else None), None)

    @property
    def argsrepr(self) -> str:
        """What Flower shows of the arguments: their shape, from callers who sent it; never their content."""
        return str(super().argsrepr) if self._is_ours() else "(…)"

    @property
    def kwargsrepr(self) -> str:
        return str(super().kwargsrepr) if self._is_ours() else "{…}"

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery's events, without the result: it may be what someone had decrypted."""
        super().send_event(type, **(fields | {"result": "…"} if "result" in fields else fields))

    def _is_ours(self) -> bool:
        return "wasmfleet" in self.request_dict

    def on_timeout(self, soft: bool, timeout: float) -> None:
        error = DeadlineExceeded(
            f"the call outlived its time limit; its process was killed after {timeout:g} s"
        )
        self._log("error", error)
        super().on_timeout(soft, timeout)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        if expired and lanes.of(_context(self)) == "wasm":
            self._log("expired", RuntimeUnavailable("no sandbox took the call before it expired"))
        elif expired:
            self._log("expired", DeadlineExceeded("the call expired before a worker took it"))
        else:
            self._log("revoked", Cancelled("the call was cancelled"))
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]

    def _log(self, outcome: Literal["error", "revoked", "expired"], error: WasmfleetError) -> None:
        try:
            outcomes.log().write([_row(self, outcome, error)])
        except sqlite3.OperationalError:
            _logger.exception("the outcome of %s could not be logged", self.id)


def _context(request: Request) -> Any:
    return request._context  # type: ignore[attr-defined]


def _row(
    request: Request, outcome: Literal["error", "revoked", "expired"], error: WasmfleetError
) -> outcomes.Row:
    now = time.time()
    return outcomes.Row(
        task_id=request.id,
        operation=request.name,
        lane=lanes.of(_context(request)),
        outcome=outcome,
        error_code=error.code,
        error_message=str(error),
        worker=request.hostname or "",
        started_at=request.time_start or now,
        finished_at=now,
    )
