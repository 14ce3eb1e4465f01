"""Measurement in interleaved rounds: every contender runs once in each, so that a busy machine slows all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDS = 7
LEAST_ROUND_S = 0.02


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a job. `kind` is sandbox, twin, native or node."""

    name: str
    kind: str
    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """A contender's median over the rounds, in seconds for each call."""

    name: str
    kind: str
    seconds: float


def measure(contenders: Sequence[Contender], rounds: int = ROUNDS) -> list[Measured]:
    """Measure the contenders in interleaved rounds and return their medians, in the given order."""
    repeats = [_repeats(contender) for contender in contenders]
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for place, contender in enumerate(contenders):
            times[place].append(_timed(contender, repeats[place]))
    found = zip(contenders, times, strict=True)
    return [Measured(contender.name, contender.kind, statistics.median(taken)) for contender, taken in found]


def _repeats(contender: Contender) -> int:
    """Choose how many calls to time together, so that the clock's resolution does not matter."""
    return max(1, int(LEAST_ROUND_S / max(_timed(contender, 1), 1e-7)))


def _timed(contender: Contender, repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        contender.run()
    return (time.perf_counter() - started) / repeats
