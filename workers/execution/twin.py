"""The plain-Python lane: run one call of a twin under its time limit, and turn its failures into typed errors."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wasmfleet.config.celery import BATCH_FACTOR
from wasmfleet.workers.errors import (
    DeadlineExceeded,
    InputTooDeep,
    InternalError,
    MemoryLimitExceeded,
    WasmfleetError,
)


class _Expired(BaseException):
    """Raised by the timer inside a twin. It is no Exception, so that no `except Exception` there swallows it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The seconds that one call may run, and the monotonic time at which all calls of its message must have ended."""

    time_s: float
    end_s: float

    @classmethod
    def from_now(cls, time_s: float) -> "Limits":
        return cls(time_s, time.monotonic() + BATCH_FACTOR * time_s)


def run(twin: Callable[..., Any], arguments: dict[str, Any], limits: Limits) -> Any:
    """Call a twin and return its value. Raises only WasmfleetErrors, whatever happens inside."""
    left_s = limits.end_s - time.monotonic()
    if left_s <= 0:
        raise out_of_time()
    try:
        with _time_limit(min(limits.time_s, left_s)):
            return twin(**arguments)
    except WasmfleetError:
        raise
    except _Expired:
        raise too_long(limits) if left_s >= limits.time_s else out_of_time() from None
    except MemoryError:
        raise MemoryLimitExceeded("the call needed more memory than its process may use") from None
    except RecursionError:
        raise InputTooDeep("the input nests deeper than plain Python allows") from None
    except (Exception, SystemExit) as error:
        raise InternalError(f"the plain-Python twin failed: {type(error).__name__}: {error}") from error


def too_long(limits: Limits) -> DeadlineExceeded:
    """Make the error of a call that used up its own time."""
    return DeadlineExceeded(f"the call ran longer than its time limit of {limits.time_s:g} s")


def out_of_time() -> DeadlineExceeded:
    """Make the error of an item whose batch used up its time."""
    return DeadlineExceeded("the batch used up its time before this item ended; publish smaller batches")


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise _Expired in the body after so many seconds. In other threads than the main one it does nothing.

    Python delivers signals in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _expire(_signal: int, _frame: Any) -> None:
    raise _Expired
