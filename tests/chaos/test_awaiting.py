"""Asynchronous callers while the broker, which has the results, restarts, is cut off or falls silent; and a crowd."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet
from tests.chaos.proxy import Proxy

_PROGRAMS = Path(__file__).with_name("awaiting.py")
_CROWD = Path(__file__).parents[1] / "acceptance" / "async_client.py"


@contextlib.contextmanager
def by_proxy(fleet: ChaosFleet) -> Iterator[Proxy]:
    """Let clients that start from now on reach the broker by a proxy; workers have their own connections."""
    proxy, usual = Proxy(fleet.port), dict(fleet.environment)
    fleet.use_broker_by(proxy.port)
    try:
        yield proxy
    finally:
        fleet.environment = usual
        proxy.close()


def disturbed(fleet: ChaosFleet, program: str, disturb: Callable[[], Any]) -> Any:
    """Run a program, disturb it once it is ready, and return what it answers."""
    command = [sys.executable, _PROGRAMS, program]
    with subprocess.Popen(command, env=fleet.environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        try:
            assert running.stdout.readline() == "ready\n"
            disturb()
            answer, _ = running.communicate(timeout=150)
        finally:
            running.kill()
    assert running.returncode == 0
    return json.loads(answer)


def test_awaited_calls_outlive_a_restart_of_the_broker(serving: ChaosFleet) -> None:
    serving.start_worker("python")

    def restart() -> None:
        os.kill(json.loads((serving.data / "broker.json").read_bytes())["pid"], signal.SIGKILL)
        time.sleep(3)  # longer than any attempt to connect
        serving.start("broker")

    assert disturbed(serving, "waiting", restart) == [True, 200]


@pytest.mark.parametrize("what", ["cut", "swallow"])
def test_awaited_calls_outlive_a_connection_that_is(what: str, serving: ChaosFleet) -> None:
    serving.start_worker("python")
    with by_proxy(serving) as proxy:
        assert disturbed(serving, "waiting", getattr(proxy, what)) == [True, 200]


def test_a_silent_broker_does_not_block_the_event_loop(serving: ChaosFleet, figures: Figures) -> None:
    serving.start_worker("wasm")
    with by_proxy(serving) as proxy:
        longest_s, ended = disturbed(serving, "beside_a_clock", proxy.swallow)

    figures("awaiting  a silent broker", longest_pause_ms=round(longest_s * 1000), **ended)
    assert ended["value"] > 0
    assert longest_s < 1.0  # each attempt to reach the broker waits for 2 s and more


def test_ten_thousand_awaited_calls_need_a_few_threads_and_connections(
    fleet: ChaosFleet, figures: Figures
) -> None:
    fleet.start("broker")
    fleet.start_worker("wasm")
    done = subprocess.run(
        [sys.executable, _CROWD, "crowd", "10000"],
        env=fleet.environment,
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert done.returncode == 0, done.stderr
    took = json.loads(done.stdout)
    figures("awaiting  10,000 calls at once", **took)
    assert took["calls"] == 10_000
    assert took["threads"] <= 6  # the main one, the one that listens, and four that publish
    # Two for results and two for each thread that publishes; one that a busy machine lost is opened again beside them.
    assert took["connections"] <= 16
    assert took["mib_in_all"] < 400
