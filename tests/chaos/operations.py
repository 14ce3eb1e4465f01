"""Operations that misbehave in plain Python, added to the real ones in a test installation."""

import os
import select
import signal
import time
from typing import Any

from celery import signals

from wasmfleet.workers.calls.catalogue import operation


@operation(parity="exact")
def nap(*, seconds: float = 0.0) -> float:
    """Sleep, with `select` because libfaketime breaks `time.sleep`."""
    select.select([], [], [], seconds)
    return seconds


@operation(parity="exact")
def letters(*, size: int) -> str:
    """Return a result of this size."""
    return "x" * size


@operation(parity="exact")
def countdown(*, depth: int) -> list[int]:
    """Call itself, as a recursive algorithm does."""
    return [depth, *countdown(depth=depth - 1)] if depth else [0]


@operation(parity="exact")
def joined(parts: list[str]) -> str:
    """Join texts, as the end of a chord."""
    return "|".join(parts)


@operation(parity="exact")
def crash(*, really: bool = True) -> bool:
    """Kill the process that runs this call, as a defect in native code would."""
    if really:
        os.kill(os.getpid(), signal.SIGKILL)
    return really


@operation(parity="exact")
def hang(*, really: bool = True) -> bool:
    """Run until the time limit ends it."""
    while really:
        time.sleep(0.01)
    return really


@operation(parity="exact")
def end_worker() -> None:
    """Kill the main process of each worker that receives this call, as a defect there would."""


@signals.task_received.connect
def _end(request: Any, **_: Any) -> None:
    if request.name == end_worker.name:
        os.kill(os.getpid(), signal.SIGKILL)


@operation(parity="exact")
def devour(*, mebibytes: int) -> int:
    """Allocate this much memory and use it."""
    return sum(map(len, [bytes(1 << 20) for _ in range(mebibytes)])) >> 20


@operation(parity="exact")
def lengths(values: list[str]) -> list[int]:
    """Return how long each of these texts is, as the body of a chord."""
    return [len(value) for value in values]
