"""`wasmfleet up` with real processes: taken ports, counts of workers, second starts, and wrong arguments."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import CommandLine
from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.up import pid_of, processes_of, up
from tests.ports import free_port


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet with two WebAssembly workers, whose broker finds its port taken."""
    with installation(tmp_path_factory.mktemp("up")) as made:
        taken = ("127.0.0.1", int(made.environment["WASMFLEET_BROKER_PORT"]))
        with socket.create_server(taken), up(made, "wasm=2"):
            made.url = made.command("url").stdout.strip()  # the broker has moved to another port
            yield made


def test_a_taken_port_makes_the_broker_move(fleet: Installation) -> None:
    first = fleet.environment["WASMFLEET_BROKER_PORT"]

    assert f"port {first} is taken; the broker moves to" in fleet.output()


def test_a_second_start_refuses_and_says_who_runs(fleet: Installation) -> None:
    pid = pid_of(fleet.data, " up wasm=2")

    second = subprocess.run(
        [sys.executable, "-m", "wasmfleet", "up"], env=fleet.environment, capture_output=True, text=True
    )

    assert second.returncode == 2
    assert f"a fleet already runs on {fleet.data} (pid {pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_it_scales(fleet: Installation) -> None:
    until(
        lambda: sorted(worker.role for worker in fleet.workers()) == ["python", "wasm", "wasm"],
        what="two",
        log=fleet.output,
    )


def test_ctrl_c_ends_the_wait_for_a_broker_that_is_not_there(alone: CommandLine) -> None:
    url = f"wasmfleet+redis://user:secret@127.0.0.1:{free_port()}/0"
    environment = alone.with_settings(BROKER_URL=url).environment
    command = [sys.executable, "-m", "wasmfleet", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "its broker at wasmfleet+redis://***@127.0.0.1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0  # without Ctrl-C it would wait a minute

    assert processes_of(alone.folder / "data") == {}


@pytest.mark.parametrize("words", [["wasm=many"], ["nobody=2"], ["--once"]])
def test_a_wrong_word_is_one_clear_line(alone: CommandLine, words: list[str]) -> None:
    done = alone.run("up", *words)

    assert done.returncode == 2
    assert re.fullmatch(r"wasmfleet: .+\n", done.stderr), done.stderr
