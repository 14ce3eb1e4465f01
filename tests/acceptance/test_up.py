"""`wasmfleet up` with real processes: taken ports, counts of workers, second starts, and wrong arguments."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import CommandLine
from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.up import pid_of, processes_of, up
from tests.ports import free_port
from tests.test_settings import SERVICES


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet with two WebAssembly workers, whose broker finds its port taken."""
    with installation(tmp_path_factory.mktemp("up")) as made:
        taken = ("127.0.0.1", int(made.environment["WASMFLEET_BROKER_PORT"]))
        made.environment |= {name: text for name, text in SERVICES.items() if name not in made.environment}
        made.environment["FLOWER_PORT"] = (
            "tcp://10.96.0.1:5555"  # of a service named `flower`; Flower reads it itself
        )
        with socket.create_server(taken), up(made, "wasm=2"):
            made.url = made.command("url").stdout.strip()  # the broker has moved to another port
            yield made


@pytest.fixture(scope="module")
def sandboxes_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet without plain-Python workers and without Flower."""
    with (
        installation(tmp_path_factory.mktemp("sandboxes")) as made,
        up(made, "python=0", "flower=0", "wasm=1"),
    ):
        yield made


def test_a_fleet_without_one_kind_of_worker_is_up_as_soon_as_the_others_are(
    sandboxes_only: Installation,
) -> None:
    assert sandboxes_only.call("digest.digest", data=b"abc", algorithm="crc32").get(timeout=30) == "352441c2"
    assert [worker.role for worker in sandboxes_only.workers()] == ["wasm"]
    assert "the fleet is up; Ctrl-C stops it" in sandboxes_only.output()  # and names no Flower


def test_a_fleet_starts_beside_services_that_have_its_names(fleet: Installation) -> None:
    url = re.findall(r"the fleet is up; Flower: (http\S+);", fleet.output())[-1]

    with urllib.request.urlopen(url, timeout=30) as page:
        assert page.status == 200
    assert "WASMFLEET_FLOWER_PORT=tcp" not in fleet.output()  # this fleet has a setting of that name


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wasm=many"], "'wasm=many' is not a number of processes; write for example wasm=4"),
        (["wasm=-1"], "'wasm=-1' is not a number of processes"),
        (["wasm"], "'wasm' is not a number of processes"),
        (["wasm=1.5"], "'wasm=1.5' is not a number of processes"),
        (["wasm=" + "9" * 5000], "is not a number of processes"),
        (["wasm=1000"], "wasm=1000: `wasmfleet up` runs at most 64 of a kind; WASMFLEET_CONCURRENCY sets"),
        (["broker=2"], "broker=2: a fleet has one broker at most, because two cannot share its data"),
        (["flower=2"], "flower=2: a fleet has one flower at most, because one shows all workers"),
        (["wasm=1", "wasm=2"], "wasm is given twice: wasm=1 and wasm=2"),
        (["nobody=2"], "the Procfile has no process 'nobody'; it has broker, wasm, python, flower"),
        (["broker=0", "wasm=0", "python=0", "flower=0"], "there is nothing to run"),
        (["--once"], "--once can only be used together with --sample"),
    ],
)
def test_a_wrong_word_is_one_clear_line(alone: CommandLine, words: list[str], said: str) -> None:
    done = alone.run("up", *words)

    assert done.returncode == 2
    assert re.fullmatch(r"wasmfleet: .+\n", done.stderr), done.stderr
    assert said in done.stderr
