"""The wheel, in an environment with nothing else, away from the checkout."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.ports import free_port

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "wasm_src", "*.egg-info", ".*_cache", "__pycache__", ".hypothesis"
    )
    shutil.copytree(_ROOT, copy, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.timeout(900)
def test_the_installed_wheel_runs_the_sample_job(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env")
    binaries = tmp_path / "env" / "bin"
    constraints = tmp_path / "constraints.txt"
    lock = (_ROOT / "requirements.lock").read_text().splitlines()
    constraints.write_text(
        "\n".join(line.removesuffix(" \\") for line in lock if "==" in line and line[0].isalpha())
    )
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python"]
    install = [*pip, "install", "--quiet", "--no-compile", "--constraint", constraints, wheel]
    subprocess.run(install, check=True, cwd=tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "WASMFLEET_DATA_DIR": str(tmp_path / "data"),
        "WASMFLEET_BROKER_PORT": str(free_port()),
        "WASMFLEET_FLOWER_PORT": str(free_port()),
    }

    done = subprocess.run(
        [binaries / "wasmfleet", "up", "--sample", "--once"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ast.validate" in done.stdout
