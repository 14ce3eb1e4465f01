"""Operations that misbehave, put beside the real ones in an installation under test. Their twins do the misdeed."""

import os
import select
import signal
import time
from typing import Any

from celery import signals

from wasmfleet.workers.calls.catalogue import operation


@operation(parity="exact")
def nap(*, seconds: float = 0.0) -> float:
    """Sleeps; with select, for libfaketime breaks `time.sleep`."""
    select.select([], [], [], seconds)
    return seconds


@operation(parity="exact")
def letters(*, size: int) -> str:
    """A result of this size."""
    return "x" * size


@operation(parity="exact")
def crash(*, really: bool = True) -> bool:
    """Kills its own process, as a defect in native code would."""
    if really:
        os.kill(os.getpid(), signal.SIGKILL)
    return really


@operation(parity="exact")
def hang(*, really: bool = True) -> bool:
    """Never ends by itself."""
    while really:
        time.sleep(0.01)
    return really


@operation(parity="exact")
def end_worker() -> None:
    """Ends the main process of each worker that receives it, as a defect that its message meets there would."""


@signals.task_received.connect
def _end(request: Any, **_: Any) -> None:
    if request.name == end_worker.name:
        os.kill(os.getpid(), signal.SIGKILL)


@operation(parity="exact")
def devour(*, mebibytes: int) -> int:
    """Asks for so much memory and uses it."""
    return sum(map(len, [bytes(1 << 20) for _ in range(mebibytes)])) >> 20
