"""Start a fleet and an attack on it."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.installation import until
from tests.attack import seeds
from tests.attack.findings import Findings
from tests.attack.rounds import Attack
from tests.attack.target import Target
from tests.chaos.fleet import chaos_fleet


@contextlib.contextmanager
def attack(folder: Path, findings: Findings, dice: random.Random) -> Iterator[Attack]:
    """Start a broker, capture seeds from real publishers, start workers, and yield the attack; end all of it after."""
    with chaos_fleet(folder / "fleet", **Target.settings(folder)) as fleet:
        fleet.start("broker")
        until(fleet.answers, what="the broker answers", log=fleet.output)
        captured = seeds.capture(fleet, dice)
        target = Target(fleet)
        try:
            target.start()
            yield Attack(target, captured, findings, dice, folder)
        finally:
            target.end()
