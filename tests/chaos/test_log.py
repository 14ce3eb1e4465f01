"""Row k: the result log is locked, or its disk is full."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_DISK_MIB = 8


def test_k_a_locked_log_makes_tasks_wait_and_loses_none(fleet: ChaosFleet, figures: Figures) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    fleet.settle(fleet.publish(5, "chaos.nap"))
    with contextlib.closing(sqlite3.connect(fleet.data / "results.sqlite", isolation_level=None)) as log:
        log.execute("BEGIN IMMEDIATE")
        ids = fleet.publish(200, "chaos.nap", seconds=0.001)
        time.sleep(10)
        answered = fleet.answered(ids)
        logged_meanwhile = len(fleet.executions(ids))
        log.execute("ROLLBACK")
    released = time.monotonic()

    runs = fleet.settle(ids)
    fleet.nothing_is_held()
    figures(
        "k  log locked for 10 s",
        lost=len(ids) - len(runs),
        answered_without_a_row=answered,
        recovery_s=round(time.monotonic() - released, 1),
    )
    assert (answered, logged_meanwhile) == (0, 0)
    assert runs == dict.fromkeys(ids, 1)
    assert fleet.workers()[0].pid == worker


def test_k_a_call_killed_at_its_limit_while_the_log_is_locked_is_not_acknowledged(tmp_path: Path) -> None:
    with chaos_fleet(tmp_path, TIME_LIMIT="5") as fleet:
        fleet.start("broker")
        fleet.start_worker("python")
        fleet.settle(fleet.publish(1, "chaos.nap"))
        [id] = fleet.publish(1, "chaos.nap", seconds=4.5)
        [running] = until(fleet.active, what="it runs")
        os.kill(running["worker_pid"], signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(fleet.data / "results.sqlite", isolation_level=None)) as log:
            log.execute("BEGIN IMMEDIATE")
            until(lambda: "no messages are taken" in fleet.output(), what="it is not logged", seconds=30)
            answered = fleet.answered([id])
            log.execute("ROLLBACK")

        runs = fleet.settle([id], seconds=30)
        assert (answered, runs) == (0, {id: 1})
        fleet.nothing_is_held()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    options = f"size={_DISK_MIB}m,mode=0700"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
        pytest.skip("mounting a small disk to fill needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_k_a_full_disk_acknowledges_nothing_and_heals_without_a_restart(
    small_disk: Path, tmp_path: Path, figures: Figures
) -> None:
    with chaos_fleet(tmp_path / "broker") as other, chaos_fleet(tmp_path / "fleet") as fleet:
        other.start("broker")
        until(other.answers, what="the broker answers")
        fleet.use_broker(other)
        (small_disk / "compiled").symlink_to((fleet.data / "compiled").resolve())
        shutil.rmtree(fleet.data)
        fleet.data.symlink_to(small_disk, target_is_directory=True)
        worker = fleet.start_worker("python")
        fleet.settle(fleet.publish(5, "chaos.nap"))
        filler = small_disk / "filler"
        _fill(filler)
        ids = fleet.publish(200, "chaos.nap", seconds=0.001)
        until(lambda: "no messages are taken" in fleet.output(), what="the worker stops taking messages")
        answered, logged = fleet.answered(ids), len(fleet.executions(ids))
        filler.unlink()

        runs = fleet.settle(ids)
        fleet.nothing_is_held()
        figures("k  disk full", lost=len(ids) - len(runs), answered_without_a_row=answered - logged)
        assert answered <= logged
        assert runs.keys() == set(ids)
        assert fleet.workers()[0].pid == worker


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
