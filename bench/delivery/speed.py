"""Speed of delivery: drain rate, latency on an idle fleet, and the costs of idleness and of a durable publish.

Rounds are interleaved. The idle figures are those of a transport in a plain Celery app, without what a worker of
Wasmfleet does beside it; `make bench BENCH=idle` measures a whole fleet.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.delivery.systems import SYSTEMS, Stage, System, stage, until

_TASKS: Final = 4000
_ROUNDS: Final = 3
_PINGS: Final = 100
_IDLE_S: Final = 5.0
_SENT: Final = ("evalsha", "bzpopmin", "brpop", "multi", "hgetall", "hello", "ping", "publish", "zrange")


def speed() -> dict[str, dict[str, float]]:
    """Measure each system, and return the medians of the rounds."""
    rounds = [{one.name: _round(one) for one in SYSTEMS} for _ in range(_ROUNDS)]
    return {
        one.name: {
            figure: round(statistics.median(taken[one.name][figure] for taken in rounds), 2)
            for figure in rounds[0][one.name]
        }
        for one in SYSTEMS
    }


def publishing() -> dict[str, float]:
    """Measure how many milliseconds a `.delay()` takes, by how often the broker writes to its disk."""
    return {f"appendfsync {fsync}": _publish_ms(fsync) for fsync in ("always", "everysec", "no")}


def _round(system: System) -> dict[str, float]:
    with stage(system) as made:
        made.send(0, _TASKS, 0, "send_nothing").wait()
        worker = made.worker()
        found = {"no_ops_a_second": _drain_rate(made)} | _idle(made, worker)
        found |= _latency(made, made.environment, "latency", 10**6)
        if system.scheme.startswith(
            "wasmfleet"
        ):  # whose consumers hear of messages in another way than Celery's
            plain = made.environment | {"BENCH_BROKER": made.broker.url("redis")}
            found |= _latency(made, plain, "latency_from_celerys_own", 2 * 10**6)
        return found


def _drain_rate(stage: Stage) -> float:
    until(lambda: stage.held() < _TASKS - 100)
    began, before = time.monotonic(), stage.held()
    if not until(lambda: stage.held() == 0):
        raise RuntimeError(f"{stage.system.name} did not end its tasks in a minute")
    return before / (time.monotonic() - began)


def _latency(stage: Stage, environment: dict[str, str], name: str, first: int) -> dict[str, float]:
    code = (
        "import sys, time, importlib\n"
        "from bench.delivery import marks\n"
        "app = importlib.import_module(sys.argv[1])\n"
        "taken = []\n"
        f"for number in range({first}, {first + _PINGS}):\n"
        "    time.sleep(0.05)\n"
        "    began = time.perf_counter()\n"
        "    app.send(number, 0.0)\n"
        "    while not marks.store().hexists('ran', str(number)):\n"
        "        pass\n"
        "    taken.append((time.perf_counter() - began) * 1000)\n"
        "print(*taken)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, stage.system.module],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken = sorted(map(float, said.split()))
    p50, p95 = statistics.median(taken), taken[int(len(taken) * 0.95)]
    return {f"{name}_p50_ms": p50, f"{name}_p95_ms": p95}


def _idle(stage: Stage, worker: int) -> dict[str, float]:
    time.sleep(1)
    calls, cpu = _calls(stage), _cpu_s(worker)
    time.sleep(_IDLE_S)
    return {
        "idle_commands_a_second": (_calls(stage) - calls) / _IDLE_S,
        "idle_cpu_percent": (_cpu_s(worker) - cpu) / _IDLE_S * 100,
    }


def _calls(stage: Stage) -> int:
    """Count the commands that clients sent; those that a script runs in the server are not counted."""
    statistics: Any = stage.broker.client.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {}).get("calls", 0) for name in _SENT)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _publish_ms(fsync: str) -> float:
    with stage(SYSTEMS[0], fsync) as made:
        made.send(0, 1, 0).wait()
        times = []
        for _ in range(_ROUNDS):
            began = time.monotonic()
            made.send(0, 1, 0).wait()
            start_up = time.monotonic() - began
            began = time.monotonic()
            made.send(0, 1001, 0).wait()
            times.append(time.monotonic() - began - start_up)
        return round(statistics.median(times), 3)
