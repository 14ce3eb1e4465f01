"""Fleets, seeds and figures for the chaos suite; what each row measured is shown in one table at the end."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet

Figures = Callable[..., None]
_FIGURE = "figure"
_FOUND = pytest.StashKey[dict[str, dict[str, Any]]]()
_TIMEOUT_S = 600


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FOUND] = {}
    config.pluginmanager.register(_Collected(config.stash[_FOUND]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the chaos tests more time, and run those that share a process first, because they take longest."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


class _Collected:
    """Collector of the figures in the tests' reports, which come from several processes."""

    def __init__(self, found: dict[str, dict[str, Any]]) -> None:
        self._found = found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, noted in report.user_properties:
                if name == _FIGURE:
                    row, values = noted
                    self._found.setdefault(row, {}).update(values)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """A function that notes what a row of the chaos suite measured."""

    def note(row: str, **values: Any) -> None:
        record_property(_FIGURE, (row, values))

    return note


@pytest.fixture
def seed(figures: Figures) -> int:
    """The seed of a test's randomness: CHAOS_SEED, or 1."""
    chosen = int(os.environ.get("CHAOS_SEED", "1"))
    figures("seed", seed=chosen)
    return chosen


@pytest.fixture
def dice(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path, CONCURRENCY="2") as made:
        yield made


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ChaosFleet]:
    """A fleet whose broker runs, and whose workers will have one child."""
    with chaos_fleet(tmp_path) as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        yield made


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash[_FOUND]
    if not found:
        return
    terminalreporter.section("chaos figures")
    width = max(map(len, found))
    for row, values in sorted(found.items()):
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        terminalreporter.line(f"{row:{width}}  {shown}")
