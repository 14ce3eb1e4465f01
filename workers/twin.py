"""The plain-Python lane: one call of a twin, with its time limit and its failures made typed."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from wasmfleet.workers.errors import (
    DeadlineExceeded,
    InputTooDeep,
    InternalError,
    MemoryLimitExceeded,
    WasmfleetError,
)


class _Expired(BaseException):
    """Raised by the timer inside a twin; no `except Exception` there can swallow it."""


def run(twin: Callable[..., Any], arguments: dict[str, Any], time_s: float) -> Any:
    """The twin's value. Raises a WasmfleetError, whatever happens inside."""
    try:
        with _time_limit(time_s):
            return twin(**arguments)
    except WasmfleetError:
        raise
    except _Expired:
        raise DeadlineExceeded(f"the call ran longer than its time limit of {time_s:g} s") from None
    except MemoryError:
        raise MemoryLimitExceeded("the call needed more memory than its process may use") from None
    except RecursionError:
        raise InputTooDeep("the input nests deeper than plain Python allows") from None
    except (Exception, SystemExit) as error:
        raise InternalError(f"the plain-Python twin failed: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Armed only around a twin, and only where Python delivers signals: in the main thread."""
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
