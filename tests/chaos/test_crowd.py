"""Row p: a thousand checks at once."""

import statistics
from pathlib import Path

from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, children

_CHECKS = 1000
_SOURCE = "export function f(a) { return a.map((x) => x + 1); }\n" * 40


def test_p_a_thousand_concurrent_checks_all_succeed(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("wasm")

    ids = fleet.publish_at_once(_CHECKS, "ast.validate", source=_SOURCE, filename="f.ts")
    runs = fleet.settle(ids)

    times = [
        (wait_us + run_us) / 1000
        for wait_us, run_us in fleet.read("SELECT wait_us, run_us FROM results WHERE outcome = 'ok'")
    ]
    resident = max(_resident_mib(pid) for pid in [worker, *children(worker)])
    figures(
        "p  1,000 concurrent ast.validate",
        errors=_CHECKS - len(times),
        p50_ms=round(statistics.median(times)),
        p99_ms=round(statistics.quantiles(times, n=100)[98]),
        largest_process_mib=resident,
    )
    assert len(runs) == len(times) == _CHECKS
    assert resident < 1024


def _resident_mib(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line]
    return int(line.split()[1]) // 1024
