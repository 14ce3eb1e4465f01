"""Seeds and figures: each row of the chaos suite states what it measured, all in one table at the end."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.fleet import ChaosFleet, chaos_fleet

Figures = Callable[..., None]
_FIGURES = pytest.StashKey[dict[str, dict[str, Any]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = {}


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Notes what a row measured."""

    def note(row: str, **values: Any) -> None:
        request.config.stash[_FIGURES].setdefault(row, {}).update(values)

    return note


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a test's randomness: CHAOS_SEED, or 1."""
    chosen = int(os.environ.get("CHAOS_SEED", "1"))
    request.config.stash[_FIGURES].setdefault("seed", {})["seed"] = chosen
    return chosen


@pytest.fixture
def dice(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path, CONCURRENCY="2") as made:
        yield made


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash[_FIGURES]
    if not found:
        return
    terminalreporter.section("chaos figures")
    width = max(map(len, found))
    for row, values in sorted(found.items()):
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        terminalreporter.line(f"{row:{width}}  {shown}")
