"""Rows a to g of the chaos suite, run in the same way against each system."""

import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bench.delivery.systems import Stage, System, stage, until

#: A task that is missing after nothing has moved for so long is lost, or stuck for longer than this.
QUIET_S: Final = 20.0
_FLOW: Final = 3000
_CHILDREN: Final = 7
_Row = Callable[[Stage, random.Random], dict[str, Any]]


def measure(row: str, system: System, seed: int) -> dict[str, Any]:
    """Run one row against one system and return its figures."""
    with stage(system) as made:
        return ROWS[row][1](made, random.Random(seed))


def _missing(stage: Stage, count: int, moved: float, since: float) -> dict[str, Any]:
    """Count how many of `count` tasks never ran, and how many the broker still holds."""
    ran = stage.ran()
    missing = count - len(ran)
    stranded = min(missing, stage.held())
    return {
        "lost": missing - stranded,
        "stranded": stranded,
        "duplicates": sum(ran.values()) - len(ran),
        "seconds": round(moved - since, 1),
    }


def _kills(stage: Stage, dice: random.Random) -> dict[str, Any]:
    count, began = 4000, time.monotonic()
    stage.send(0, count, 0.001).wait()
    worker = stage.worker()
    for _ in range(25):
        wanted = stage.count() + dice.randrange(1, 150)
        until(lambda wanted=wanted: stage.count() >= min(wanted, count), QUIET_S)
        stage.kill(worker)
        worker = stage.worker()
    return _missing(stage, count, stage.settle(count, QUIET_S), began)


def _child(stage: Stage, _: random.Random) -> dict[str, Any]:
    stage.worker()
    took = []
    for number in range(_CHILDREN):
        stage.send(number, number + 1, 3.0).wait()
        running = partial(stage.marks.client.hget, "pids", str(number))
        pid: Any = until(running)
        killed = time.monotonic()
        os.kill(int(pid), signal.SIGKILL)
        if not until(lambda running=running, pid=pid: running() != pid, QUIET_S):
            return {"redelivered_s": f"not in {QUIET_S:g} s"}
        took.append(time.monotonic() - killed)
    return {"redelivered_s": f"{statistics.median(took):.1f}, at most {max(took):.1f}"}


def _broker_killed(stage: Stage, _: random.Random) -> dict[str, Any]:
    began = _flowing(stage)
    stage.broker.signal(signal.SIGKILL)
    stage.broker.start()
    return _recovery(stage, began)


def _flowing(stage: Stage) -> float:
    """Publish tasks of 2 ms, wait until some are done, and return when they began."""
    began = time.monotonic()
    stage.send(0, _FLOW, 0.002).wait()
    stage.worker()
    until(lambda: stage.count() > 500)
    return began


def _recovery(stage: Stage, began: float) -> dict[str, Any]:
    """Measure how long it takes until tasks run again, and what is missing in the end."""
    mended, before = time.monotonic(), stage.count()
    back = until(lambda: stage.count() > before + 4, 90)
    recovered = round(time.monotonic() - mended, 1) if back else "not in 90 s"
    return {"recovered_s": recovered} | _missing(stage, _FLOW, stage.settle(_FLOW, QUIET_S), began)


def _black_hole(stage: Stage, _: random.Random) -> dict[str, Any]:
    from tests.chaos.proxy import Proxy

    proxy = Proxy(stage.broker.port)
    stage.reach_broker_by(proxy.port)
    began = _flowing(stage)
    proxy.swallow()
    time.sleep(0.3)  # for records that were already on their way
    found = _recovery(stage, began)
    stage.close()
    proxy.close()
    return found


def _frozen(stage: Stage, _: random.Random) -> dict[str, Any]:
    began = _flowing(stage)
    stage.broker.signal(signal.SIGSTOP)
    time.sleep(30)
    stage.broker.signal(signal.SIGCONT)
    return _recovery(stage, began)


def _terminated(stage: Stage, _: random.Random) -> dict[str, Any]:
    count = 12
    worker = stage.worker()
    stage.send(0, count, 2.0).wait()
    until(lambda: stage.marks.client.hlen("pids"))
    os.kill(worker, signal.SIGTERM)
    ended = stage.wait(worker, 20)
    began = time.monotonic()
    stage.worker()
    return {"exit_s": round(ended, 1)} | _missing(stage, count, stage.settle(count, QUIET_S), began)


def _deadly(stage: Stage, _: random.Random) -> dict[str, Any]:
    stage.worker()
    stage.send_deadly()
    time.sleep(QUIET_S)
    return {f"starts_in_{QUIET_S:g}_s": stage.ran().get(-1, 0)}


ROWS: Final[dict[str, tuple[str, _Row]]] = {
    "a": ("25 kills of the whole worker, 4,000 tasks of 1 ms", _kills),
    "b": ("kill of the child that runs a task, 7 times", _child),
    "c": ("broker killed and started again", _broker_killed),
    "d": ("connections become black holes", _black_hole),
    "e": ("broker stopped for 30 s", _frozen),
    "f": ("SIGTERM during tasks of 2 s", _terminated),
    "g": ("a task that kills its process each time", _deadly),
}
