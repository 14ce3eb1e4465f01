"""The wheel of this checkout, and new environments that have it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def built(folder: Path) -> Path:
    """Build the wheel in a folder."""
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "wasm_src", "*.egg-info", ".*_cache", "__pycache__", ".hypothesis"
    )
    shutil.copytree(_ROOT, copy, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def installed(what: str, folder: Path, python: str | Path = sys.executable) -> Path:
    """Install a wheel in a new environment, in the versions of the lock; skip the test where no registry answers."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder / "env"], check=True)
    binaries = folder / "env" / "bin"
    constraints = folder / "constraints.txt"
    lock = (_ROOT / "requirements.lock").read_text().splitlines()
    constraints.write_text(
        "\n".join(line.removesuffix(" \\") for line in lock if "==" in line and line[0].isalpha())
    )
    install = [*pip(binaries), "install", "--quiet", "--no-compile", "--constraint", constraints, what]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if "from versions: none" in done.stderr and not os.environ.get("CI"):
        pytest.skip("no package registry answers")
    assert done.returncode == 0, done.stderr
    return binaries


def pip(binaries: Path) -> list[str | Path]:
    """Return the command by which this environment's pip works on another environment."""
    return [sys.executable, "-m", "pip", "--python", binaries / "python"]
