"""What the command line says when something is wrong: one clear line, no traceback."""

import json
import os
from pathlib import Path

import pytest

from tests.acceptance.conftest import CommandLine, one_line
from tests.needs import need
from tests.ports import free_port


def test_the_doctor_finds_a_running_fleet_healthy(fleet: CommandLine) -> None:
    done = fleet.run("doctor", "--format", "json")
    told = {checkup["what"]: checkup for checkup in json.loads(done.stdout)}

    assert done.returncode == 0, done.stdout
    assert told["module ast"]["state"] == "ok"
    assert fleet.environment["WASMFLEET_FLOWER_PORT"] in told["Flower"]["finding"]


def test_the_doctor_names_a_refused_module_and_an_open_keyring(alone: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mine.wasm").write_bytes(b"no module")
    (tmp_path / "keys.json").write_text("{}")
    (tmp_path / "keys.json").chmod(0o644)
    broken = alone.with_settings(MODULES=str(tmp_path / "modules"), KEYRING=str(tmp_path / "keys.json"))

    done = broken.run("doctor")

    assert done.returncode == 1
    assert "your module mine.wasm: refused" in done.stdout
    assert "chmod 600" in done.stdout
    assert "wasmfleet up" in done.stdout


def test_the_doctor_names_a_wrong_setting(alone: CommandLine) -> None:
    done = alone.with_settings(LANE="fast").run("doctor")

    assert done.returncode == 1
    assert "WASMFLEET_LANE='fast' is not allowed; give one of any, wasm, python" in done.stdout


@pytest.mark.parametrize(
    "command", [["ops"], ["results"], ["check", "."], ["submit", "ast.validate"], ["compile"]]
)
def test_a_wrong_setting_is_one_line(alone: CommandLine, command: list[str]) -> None:
    done = alone.with_settings(LANE="fast").run(*command)

    assert done.returncode == 2
    assert "WASMFLEET_LANE" in one_line(done.stderr)


@pytest.mark.parametrize("command", [["check", "good.ts"], ["submit", "ast.validate", "--arg", "source=1"]])
def test_an_unreachable_broker_is_one_line(alone: CommandLine, tree: Path, command: list[str]) -> None:
    url = f"redis://user:secret@127.0.0.1:{free_port()}/0"
    lost = CommandLine(tree, alone.with_settings(BROKER_URL=url).environment)

    done = lost.run(*command)

    assert done.returncode == 2
    assert "did not answer" in one_line(done.stderr)
    assert "secret" not in done.stderr


@pytest.mark.parametrize("command", [["check", "good.ts"], ["up"], ["compile"], ["broker"]])
def test_a_read_only_data_folder_is_one_line(alone: CommandLine, tree: Path, command: list[str]) -> None:
    powerless = (str(need("setpriv")[0]), "--bounding-set=-all", "--inh-caps=-all")
    folder = tree.parent / "read-only"
    folder.mkdir(mode=0o500)
    stuck = CommandLine(tree, alone.with_settings(DATA_DIR=str(folder)).environment)

    done = stuck.run(*command, before=powerless if os.geteuid() == 0 else ())

    assert done.returncode == 2
    assert f"cannot write in {folder}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
