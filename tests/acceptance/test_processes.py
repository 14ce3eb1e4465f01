"""`wasmfleet up` with real processes: ports, restarts, second starts, and that nothing is left behind."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, installation, until


def processes_of(data: Path) -> dict[int, str]:
    """Live processes that belong to a data folder, by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"WASMFLEET_DATA_DIR={data}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = command_line_of(int(folder.name))
    return found


def command_line_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def broker_pid(data: Path) -> int:
    """The embedded broker's pid: its title covers the environment by which the others are found."""
    pid: int = json.loads((data / "broker.json").read_bytes())["pid"]
    return pid


def pid_of(data: Path, words: str) -> int:
    """The pid of the outermost process whose command has these words, 0 without one."""
    return min((pid for pid, command in processes_of(data).items() if words in command), default=0)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


@contextlib.contextmanager
def up(fleet: Installation, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A running `wasmfleet up`, whose workers have sent heartbeats."""
    with (fleet.folder / "up.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wasmfleet", "up", *words],
            env=fleet.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: "the fleet is up" in fleet.output(), what="the fleet is up", log=fleet.output)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_in_order_and_leaves_nothing_behind(
    fleet: Installation, how: signal.Signals
) -> None:
    with up(fleet) as process:
        process.send_signal(how)
        assert process.wait(60) == 0

    assert processes_of(fleet.data) == {}


def test_ctrl_c_ends_the_wait_for_a_broker_that_is_not_there(fleet: Installation) -> None:
    fleet.environment["WASMFLEET_BROKER_URL"] = f"wasmfleet+{fleet.url}"
    command = [sys.executable, "-m", "wasmfleet", "up"]
    with subprocess.Popen(command, env=fleet.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "its broker at wasmfleet+redis://***@127.0.0.1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0  # it would wait a minute

    assert processes_of(fleet.data) == {}


def test_a_killed_supervisor_leaves_nothing_behind(fleet: Installation) -> None:
    with up(fleet) as process:
        process.kill()
        process.wait()
        until(lambda: processes_of(fleet.data) == {}, what="every process ended")


@pytest.mark.parametrize(
    "words", ["worker --queues=wasmfleet.wasm", "worker --queues=wasmfleet.python", " flower "]
)
def test_what_dies_is_started_again_and_the_others_never_notice(fleet: Installation, words: str) -> None:
    with up(fleet):
        until(lambda: pid_of(fleet.data, words), what=words)
        before, broker = pid_of(fleet.data, words), broker_pid(fleet.data)
        os.kill(before, signal.SIGKILL)

        until(lambda: "was killed by SIGKILL; starts again" in fleet.output(), what=f"{words} is missed")
        until(lambda: pid_of(fleet.data, words) > before, what=f"{words} again")
        assert broker_pid(fleet.data) == broker
        assert fleet.call("digest.digest", data=b"abc").get(timeout=30)


def test_what_cannot_be_started_is_tried_again_and_the_others_never_notice(fleet: Installation) -> None:
    late = fleet.folder / "late"
    procfile = fleet.package / "Procfile"
    procfile.write_text(procfile.read_text() + f"late: {late}\n")
    with up(fleet):
        until(lambda: "cannot be started" in fleet.output(), what="it says so", log=fleet.output)
        late.write_text("#!/bin/sh\necho here I am\nexec sleep 60\n")
        late.chmod(0o700)

        until(lambda: "here I am" in fleet.output(), what="it is started", log=fleet.output)
        assert fleet.call("digest.digest", data=b"abc").get(timeout=30)


def test_a_taken_port_makes_the_broker_move(fleet: Installation) -> None:
    first = int(fleet.environment["WASMFLEET_BROKER_PORT"])
    with socket.create_server(("127.0.0.1", first)), up(fleet):
        assert f"port {first} is taken; the broker moves to" in fleet.output()


def test_a_second_start_refuses_and_says_who_runs(fleet: Installation) -> None:
    with up(fleet) as process:
        second = subprocess.run(
            [sys.executable, "-m", "wasmfleet", "up"], env=fleet.environment, capture_output=True, text=True
        )

    assert second.returncode == 2
    assert f"a fleet already runs on {fleet.data} (pid {process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_it_scales(fleet: Installation) -> None:
    with up(fleet, "wasm=2"):
        until(
            lambda: sorted(worker.role for worker in fleet.workers()) == ["python", "wasm", "wasm"],
            what="two",
        )


@pytest.mark.parametrize("words", [["wasm=many"], ["nobody=2"], ["--once"]])
def test_a_wrong_word_is_one_clear_line(fleet: Installation, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wasmfleet", "up", *words],
        env=fleet.environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert re.fullmatch(r"wasmfleet: .+\n", done.stderr), done.stderr
