"""A copy of this checkout in which operations can be added: always at the same place, which cargo has in its cache."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist"
)
#: What the process around has for itself.
_OUTER = ("PYTEST", "MAKE", "CARGO_TARGET_DIR")
_PYTEST = "import sys\nfrom pytest import console_main\nsys.exit(console_main())\n"


@dataclass(frozen=True)
class Checkout:
    """The copy, with a Python environment of its own, and a folder of builds that no other build keeps waiting."""

    folder: Path
    builds: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Do what a contributor types. What set-up would install again is there already."""
        (self.folder / ".venv" / ".ready").touch()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OUTER)}
        kept["WASM_BUILD_CACHE"] = str(self.builds)
        return subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=kept,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()


@contextlib.contextmanager
def checkout() -> Iterator[Checkout]:
    """Make the copy anew, for one test run at a time."""
    asked = [sys.executable, "-c", "import build; print(build.target_folder() / 'new-op')"]
    place = Path(subprocess.check_output(asked, cwd=_ROOT / "wasm_src", text=True).strip())
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = place / "checkout"
        _empty(folder)
        # Not the times of the files: cargo would take an older file of this checkout for one that it knows.
        shutil.copytree(
            _ROOT, folder, ignore=_LEFT_OUT, symlinks=True, copy_function=shutil.copy, dirs_exist_ok=True
        )
        _install(folder)
        yield Checkout(folder, place / "builds")


def _empty(folder: Path) -> None:
    """Leave only the compiled modules of the last time, which are used where their digests fit."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and path.name != ".pytest_cache":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _install(folder: Path) -> None:
    """An environment that has the packages of this one, and the copy in place of this checkout."""
    venv.create(folder / ".venv", symlinks=True)
    [packages] = (folder / ".venv" / "lib").glob("python*/site-packages")
    (packages / "checkout.pth").write_text(f"{folder / 'src'}\n{sysconfig.get_path('purelib')}\n")
    (folder / ".venv" / "bin" / "ruff").symlink_to(Path(sysconfig.get_path("scripts")) / "ruff")
    script = folder / ".venv" / "bin" / "pytest"
    script.write_text(f"#!{folder / '.venv' / 'bin' / 'python'}\n{_PYTEST}")
    script.chmod(0o755)
