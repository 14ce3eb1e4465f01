"""Every workflow of Celery's canvas through real workers: of operations, of another app's tasks, and of both."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from tests.stock import shapes
from tests.stock.neighbour import Neighbour, stock

#: Who serves the calls of a workflow, in turn.
_WHOSE = ("ours", "ours,theirs", "theirs,ours,ours")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("canvas"), CONCURRENCY="2", SERVE_DEFAULT_QUEUE="false") as made:
        made.start_fleet("wasm", "python")
        yield made


@pytest.fixture(scope="module")
def neighbour(fleet: ChaosFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbour]:
    with stock(tmp_path_factory.mktemp("stock"), fleet.url) as made:
        shutil.copy(shapes.__file__, made.folder)
        made.start_worker(concurrency=2)
        yield made


@pytest.mark.parametrize(
    ("client", "whose"), [("stock", "theirs"), *itertools.product(shapes.MAKERS, _WHOSE)]
)
def test_every_workflow_comes_to_its_value(
    fleet: ChaosFleet, neighbour: Neighbour, client: str, whose: str
) -> None:
    """The first case has no call of ours: it shows that the expected values are what Celery itself comes to."""
    noted = len(neighbour.notes())
    told = _run(fleet, neighbour, client, whose)

    wrong = {name: pair for name, pair in told["came"].items() if pair[0] != pair[1]}
    print(
        f"{client}, {whose}: {len(told['came'])} workflows, {len(wrong)} wrong; {len(told['wrong'])} failures"
    )
    assert wrong == {}, fleet.output() + neighbour.output()
    heard = until(lambda: _heard(neighbour, noted, set(told["wrong"])), log=neighbour.output)
    assert heard == set(told["wrong"])
    fleet.nothing_is_held()
    assert fleet.quarantine() == []


def test_a_twin_that_calls_its_own_operation_runs_it_at_once_and_has_one_row(fleet: ChaosFleet) -> None:
    results = [fleet.call("chaos.countdown", lane="python", depth=depth) for depth in (3, 0, 2)]

    assert [one.get(timeout=30) for one in results] == [[3, 2, 1, 0], [0], [2, 1, 0]]
    rows = fleet.rows(*(one.id for one in results))
    assert [(row["outcome"], row["executions"]) for row in rows] == [("ok", 1)] * 3


def _heard(neighbour: Neighbour, since: int, names: set[str]) -> set[str]:
    lines = neighbour.notes()[since:]
    heard = {name for name in names for line in lines if f"'{name}'" in line}
    return heard if heard == names else set()


def _run(fleet: ChaosFleet, neighbour: Neighbour, client: str, whose: str) -> Any:
    ours = (
        {}
        if client == "stock"
        else {n: v for n, v in fleet.environment.items() if n.startswith("WASMFLEET_")}
    )
    path = (
        [str(neighbour.folder)] if client == "stock" else [str(fleet.package.parent), str(neighbour.folder)]
    )
    done = subprocess.run(
        [sys.executable, str(Path(neighbour.folder, "shapes.py")), client, whose],
        env=neighbour.environment | ours | {"PYTHONPATH": ":".join(path)},
        cwd=neighbour.folder,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr + fleet.output() + neighbour.output()
    return json.loads(done.stdout)
