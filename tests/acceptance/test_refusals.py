"""Commands, workers and clients refuse files that another user could change or read, in one clear line."""

import json
import subprocess
import sys

import pytest

from tests.acceptance.conftest import CommandLine, one_line
from wasmfleet.workers.node import private_files


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["broker"],
        ["worker", "wasm"],
        ["flower"],
        ["compile"],
        ["check", "a.js"],
        ["results"],
        ["url"],
    ],
)
def test_nothing_starts_in_a_data_folder_that_others_can_write_to(
    alone: CommandLine, command: list[str]
) -> None:
    (alone.folder / "data").chmod(0o777)
    (alone.folder / "a.js").touch()
    if command == ["results"]:
        (alone.folder / "data" / "results.sqlite").touch()

    done = alone.run(*command)

    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert f"others can write to {alone.folder}/data (mode 0777); run `chmod go-w " in line
    assert "Traceback" not in done.stderr


def test_the_doctor_names_each_of_them_and_what_to_run(alone: CommandLine) -> None:
    data = alone.folder / "data"
    (data / "results.sqlite").touch(0o666)
    (data / "results.sqlite").chmod(0o666)
    private_files.secret(data / "digest.key", lambda: bytes(32))
    (data / "digest.key").chmod(0o604)

    done = alone.run("doctor", "--format", "json")

    problems = {checkup["finding"]: checkup["mend"] for checkup in json.loads(done.stdout) if checkup["mend"]}
    assert done.returncode == 1
    assert problems[f"others can write to {data}/results.sqlite (mode 0666)"] == (
        f"run `chmod go-w {data}/results.sqlite`"
    )
    assert problems[f"{data}/digest.key is a secret that others can read or change (mode 0604)"] == (
        f"run `chmod 600 {data}/digest.key`"
    )


def test_a_plain_worker_command_refuses_as_well(alone: CommandLine) -> None:
    (alone.folder / "data" / "results.sqlite").touch(0o600)
    (alone.folder / "data" / "results.sqlite").chmod(0o666)
    command = [sys.executable, "-m", "celery", "-A", "wasmfleet.workers.app", "worker", "--pool=solo"]

    done = subprocess.run(command, env=alone.environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert f"others can write to {alone.folder}/data/results.sqlite (mode 0666)" in done.stderr


def test_a_client_does_not_ask_a_broker_that_others_may_have_named(alone: CommandLine) -> None:
    (alone.folder / "data").chmod(0o777)
    code = "from wasmfleet.tasks import digest\ndigest.digest.delay(b'secret')"

    done = subprocess.run([sys.executable, "-c", code], env=alone.environment, capture_output=True, text=True)

    assert done.returncode == 1
    assert f"NotPrivate: others can write to {alone.folder}/data" in done.stderr


def test_a_keyring_that_others_can_read_is_refused_at_boot(alone: CommandLine) -> None:
    (alone.folder / "keys.json").write_text("{}")
    (alone.folder / "keys.json").chmod(0o640)

    done = alone.with_settings(KEYRING=str(alone.folder / "keys.json")).run("worker", "python")

    assert done.returncode == 2
    assert f"run `chmod 600 {alone.folder}/keys.json`" in one_line(done.stderr)
