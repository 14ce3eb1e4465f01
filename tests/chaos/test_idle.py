"""What idle workers cost the broker; `make bench BENCH=idle` measures the CPU of every process as well."""

from collections import Counter

from bench.idle import commands_of
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet

_SECONDS = 15.0
_MOST_A_SECOND = 4.0


def test_an_idle_worker_sends_few_commands(serving: ChaosFleet, figures: Figures) -> None:
    workers = {serving.start_worker(role): role for role in ("wasm", "python")}
    until(lambda: all(_is_settled(serving)), what="every module is ready", log=serving.output)

    with Redis.from_url(serving.admin_url) as administrator:
        sent: Counter[int] = commands_of(administrator, _SECONDS, set(workers))

    a_second = {role: round(sent[pid] / _SECONDS, 1) for pid, role in workers.items()}
    figures("idle commands a second", **a_second)
    assert all(0.5 < number <= _MOST_A_SECOND for number in a_second.values()), a_second


def _is_settled(fleet: ChaosFleet) -> list[bool]:
    return [state == "ready" for worker in fleet.workers() for state, _ in worker.modules.values()]
