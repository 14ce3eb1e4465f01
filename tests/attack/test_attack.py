"""A short attack with a fixed seed in every test run; `make attack MINUTES=60` runs a long one with another seed."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack import guests, rounds, start
from tests.attack.findings import Findings

_SEED = 1
_PLAN = (
    "small",
    "shared keys",
    "small",
    "remote control",
    "heavy",
    "small",
    "forged results",
    "heavy",
    "small",
)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return Findings(tmp_path_factory.mktemp("findings"), _SEED)


@pytest.fixture(scope="module")
def attack(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rounds.Attack]:
    with start.attack(tmp_path_factory.mktemp("attack"), findings, random.Random(_SEED)) as made:
        yield made


def test_whatever_is_sent_workers_live_and_each_message_has_its_end(
    attack: rounds.Attack, findings: Findings
) -> None:
    lines = [attack.round(program, messages=150) for program in _PLAN]

    assert not findings.counts, "\n".join(lines)
    assert attack.seen.served > 50
    assert attack.seen.refused > 50
    assert attack.seen.set_aside > 50


def test_whatever_is_in_the_folder_of_modules_workers_boot_and_calls_end(
    findings: Findings, tmp_path: Path
) -> None:
    before = len(findings)

    tried = guests.attack(findings, tmp_path, _SEED, time.monotonic(), lambda line: None)

    assert len(findings) == before, findings.counts
    assert tried["calls"] > 0
