"""`wasmfleet healthy`: liveness and readiness of one process."""

import resource
import subprocess
import sys

import pytest

from tests.acceptance.conftest import CommandLine
from wasmfleet.workers.node.vital_signs import ANSWERED_S, SILENT_S, VitalSigns

_MOST_CPU_S = 0.6  # it takes 0.15; the machine may be slow, and importing Celery alone takes more


def test_workers_of_a_fleet_live_and_are_ready(fleet: CommandLine) -> None:
    lives, ready = fleet.run("healthy", "worker"), fleet.run("healthy", "worker", "--ready")
    one, flower = fleet.run("healthy", "worker", "python"), fleet.run("healthy", "flower")

    assert [done.returncode for done in (lives, ready, one, flower)] == [0, 0, 0, 0], (lives, ready, flower)
    for role in ("wasm", "python"):
        assert f"{role}-" in lives.stdout
        assert f"{role}-" in ready.stdout
    assert "wasm-" not in one.stdout
    assert all(len(done.stdout.splitlines()) == 1 for done in (lives, ready, one, flower))


def test_where_nothing_runs_nothing_is_healthy(alone: CommandLine) -> None:
    worker, flower = alone.run("healthy", "worker"), alone.run("healthy", "flower")

    assert (worker.returncode, flower.returncode) == (1, 1)
    assert "no worker runs on this node" in worker.stdout
    assert "does not answer" in flower.stdout


def test_short_and_long_options_ask_for_help(alone: CommandLine) -> None:
    for words in (("healthy",), ("doctor",), ("quarantine",), ("quarantine", "list"), ()):
        short, long = alone.run(*words, "-h"), alone.run(*words, "--help")

        assert (short.returncode, long.returncode) == (0, 0), short
        assert short.stdout == long.stdout


def test_looking_is_cheap(fleet: CommandLine) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    fleet.run("healthy", "worker")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    code = (
        "import sys; sys.argv = ['wasmfleet', 'healthy', 'worker']\n"
        "from wasmfleet.workers.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'celery', 'redis', 'kombu', 'wasmtime'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=fleet.environment, capture_output=True, text=True)

    print(f"wasmfleet healthy worker: {taken_s:.2f} s of CPU")
    assert done.stdout.splitlines()[-1] == "[]", done
    assert taken_s < _MOST_CPU_S


_NOW = 1000.0
_WELL = VitalSigns(
    pid=1,
    started_ticks=1,
    name="wasm-1@here",
    node="here",
    phase="running",
    turned_at=_NOW,
    written_at=_NOW,
    beat_at=_NOW,
    manned_at=_NOW,
    answered_at=_NOW,
)


@pytest.mark.parametrize(
    ("changed", "dead", "unready"),
    [
        ({}, "", ""),
        ({"written_at": _NOW - SILENT_S - 1}, "has not written this", "has not written this"),
        ({"beat_at": _NOW - SILENT_S - 1}, "heart has not beaten", "heart has not beaten"),
        ({"turned_at": _NOW - SILENT_S - 1}, "event loop has not turned", "event loop has not turned"),
        ({"manned_at": _NOW - SILENT_S - 1}, "no child", "no child"),
        ({"turned_at": None}, "", ""),
        ({"answered_at": _NOW - ANSWERED_S - 1}, "", "has not answered"),
        ({"closed_because": "it is drained"}, "", "it is drained"),
        ({"phase": "reconnecting", "beat_at": 0.0, "turned_at": 0.0}, "", "it is reconnecting"),
        ({"phase": "starting", "written_at": 0.0}, "", "it is starting"),
    ],
)
def test_what_stands_still_is_dead_and_what_waits_is_not_ready(
    changed: dict[str, object], dead: str, unready: str
) -> None:
    signs = VitalSigns(**{name: getattr(_WELL, name) for name in VitalSigns.__struct_fields__} | changed)  # type: ignore[arg-type]

    for found, expected in ((signs.dead_because(_NOW), dead), (signs.unready_because(_NOW), unready)):
        assert bool(found) == bool(expected)
        assert expected in found
