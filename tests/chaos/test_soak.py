"""The soak: work under random faults, for as many minutes as the environment variable SOAK says."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet, children, kill_group

_SOURCE = "const a = [1, 2, 3].map((x) => x + 1);\n" * 30
_MINUTES = float(os.environ.get("SOAK") or 0)
_REST_S = (2.0, 8.0)


class Soak:
    """A broker, two workers, a thread that publishes, and the faults that break them."""

    def __init__(self, fleet: ChaosFleet, dice: random.Random) -> None:
        self._fleet, self._dice = fleet, dice
        self.broker = fleet.start("broker")
        until(fleet.answers, what="the broker answers")
        self.workers = [fleet.start_worker("wasm"), fleet.start_worker("python")]
        self.ids: list[str] = []
        self.refused = 0
        self._ended = threading.Event()
        self._publisher = threading.Thread(target=self._publish, daemon=True)
        self._publisher.start()

    def end(self) -> None:
        self._ended.set()
        self._publisher.join()

    def fault(self) -> str:
        """Cause one random fault, mend what does not mend itself, and return the fault's name."""
        assert self._publisher.is_alive()
        faults: list[Callable[[], None]] = [
            self._kill_a_worker,
            self._kill_a_child,
            self._kill_the_broker,
            self._freeze_the_broker,
            self._stop_a_worker,
        ]
        chosen = self._dice.choice(faults)
        chosen()
        return chosen.__name__.strip("_").replace("_", " ")

    def _publish(self) -> None:
        while not self._ended.is_set():
            for lane in ("any", "wasm"):
                self._try("ast.validate", lane=lane, source=_SOURCE, filename="a.js")
            self._try("chaos.nap", seconds=0.005)

    def _try(self, operation: str, **call: Any) -> None:
        ids, refused = self._fleet.publish_what_it_can(100, operation, **call)
        self.ids += ids
        self.refused += refused

    def _kill_a_worker(self) -> None:
        place = self._dice.randrange(2)
        kill_group(self.workers[place])
        self._start(place)

    def _stop_a_worker(self) -> None:
        place = self._dice.randrange(2)
        os.kill(self.workers[place], signal.SIGTERM)
        self._fleet.wait(self.workers[place], 60)
        self._start(place)

    def _start(self, place: int) -> None:
        self.workers[place] = self._fleet.start_worker(("wasm", "python")[place])

    def _kill_a_child(self) -> None:
        found = children(self._dice.choice(self.workers))
        if found:
            os.kill(self._dice.choice(found), signal.SIGKILL)

    def _kill_the_broker(self) -> None:
        os.kill(self.broker, signal.SIGKILL)
        self._fleet.wait(self.broker, 10)
        self.broker = self._fleet.start("broker")
        until(self._fleet.answers, what="the broker answers")

    def _freeze_the_broker(self) -> None:
        os.kill(self.broker, signal.SIGSTOP)
        time.sleep(self._dice.uniform(1, 8))
        os.kill(self.broker, signal.SIGCONT)


@pytest.mark.skipif(not _MINUTES, reason="a long run: `make chaos SOAK=60` for an hour")
@pytest.mark.timeout(_MINUTES * 60 + 900)
def test_nothing_is_lost_or_stuck_in_a_long_run(
    tmp_path: Path, dice: random.Random, figures: Figures
) -> None:
    with chaos_fleet(tmp_path, CONCURRENCY="2") as fleet:
        soak, faults, deadline = Soak(fleet, dice), 0, time.monotonic() + _MINUTES * 60
        while time.monotonic() < deadline:
            time.sleep(dice.uniform(*_REST_S))
            soak.fault()
            faults += 1
        soak.end()

        runs = fleet.settle(soak.ids, seconds=600)
        fleet.nothing_is_held()
        figures(
            f"soak of {_MINUTES:g} min",
            published=len(soak.ids),
            faults=faults,
            **fleet.tally(soak.ids, runs),
            stuck=fleet.stranded(),
        )
        assert runs.keys() == set(soak.ids)
