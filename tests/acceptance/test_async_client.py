"""Callers with an event loop: awaited calls and batches, time-outs, many loops, forks, hostile results, sealed ones."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import Installation, installation

_PROGRAMS = Path(__file__).with_name("async_client.py")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet without a plain-Python worker, and with a key that seals what `crypto.*` gets and gives."""
    folder = tmp_path_factory.mktemp("async")
    keyring = folder / "keys.json"
    keys = {name: base64.b64encode(os.urandom(32)).decode() for name in ("data", "seal")}
    keyring.write_text(json.dumps(keys))
    keyring.chmod(0o600)
    with installation(folder, KEYRING=str(keyring), SEAL_KEY="seal", MAX_OUTPUT="64") as made:
        made.start_fleet("wasm")
        yield made


def run(fleet: Installation, *words: str, seconds: float = 120) -> Any:
    """Run one of the programs with every warning an error, and return what it answers."""
    command = [sys.executable, "-W", "error", _PROGRAMS, *words]
    done = subprocess.run(command, env=fleet.environment, capture_output=True, text=True, timeout=seconds)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return json.loads(done.stdout)


def test_an_awaited_call_gives_its_value_or_raises_its_error(fleet: Installation) -> None:
    errors = ["CorruptData", "InvalidArguments", "InvalidArguments"]

    assert run(fleet, "values_and_errors") == [True] * 5 + errors


def test_a_batch_is_published_and_read_without_blocking_the_loop(fleet: Installation) -> None:
    assert run(fleet, "a_batch") == [3, True, "d41d8cd98f00b204e9800998ecf8427e"]


def test_who_gives_up_waiting_leaves_no_thread_and_no_subscription(fleet: Installation) -> None:
    ended, goes_on, threads, channels = run(fleet, "given_up")

    assert ended == ["timeout"] * 3 + [60]
    assert goes_on
    assert channels == 0
    print(f"threads after 63 given up: {threads}")
    assert threads <= 6  # the main one, the one that listens, and at most four that publish


def test_loops_may_follow_each_other_or_run_side_by_side(fleet: Installation) -> None:
    assert run(fleet, "loop_after_loop") == [True, True]


def test_parent_and_children_of_a_fork_each_get_their_results(fleet: Installation) -> None:
    assert run(fleet, "forked") == [True, [0, 0, 0, 0], True]


def test_what_is_no_result_is_an_error_or_ignored_and_the_call_still_ends(fleet: Installation) -> None:
    assert run(fleet, "hostile_results") == [["UnreadableResult"] * 3, True]


def test_results_larger_than_a_servers_buffer_for_subscribers_arrive(fleet: Installation) -> None:
    assert run(fleet, "large_results") == [True] * 3


def test_awaited_calls_share_a_few_threads_and_connections(fleet: Installation) -> None:
    took = run(fleet, "crowd", "500")

    print(took)
    assert took["calls"] == 500
    assert took["threads"] <= 6
    assert took["connections"] <= 10  # two for results, and two for each thread that publishes


def test_a_prompt_with_a_running_loop_awaits_calls(fleet: Installation) -> None:
    """`python -m asyncio` reads its lines within a running loop, as a notebook does."""
    lines = [
        "from wasmfleet.tasks import digest",
        "print('awaited', await digest.digest.aio(b'abc'))",
        "print('items', [item.value async for item in digest.digest.many([{'data': b'abc'}])])",
        "print('got', digest.digest.delay(b'abc').get(timeout=30))",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "asyncio"],
        input="\n".join(lines) + "\n",
        env=fleet.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    shown = [word for line in done.stdout.splitlines() if "ba7816bf" in line for word in line.split()]
    assert [word for word in shown if word in ("awaited", "items", "got")] == ["awaited", "items", "got"], (
        done
    )
