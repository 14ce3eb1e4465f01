"""A copy of this checkout in which tests add operations; it is always at the same path, which cargo's cache needs."""

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
#: Prefixes of environment variables that the test run has for itself, and that commands in the copy must not inherit.
_OUTER = ("PYTEST", "MAKE", "CARGO_TARGET_DIR")
_PYTEST = "import sys\nfrom pytest import console_main\nsys.exit(console_main())\n"


@dataclass(frozen=True)
class Checkout:
    """The copy, with a Python environment of its own, and a build folder of its own that no other build locks."""

    folder: Path
    builds: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a contributor would type it, with output and errors in one stream.

        `.ready` is touched first, so that `make` does not install again what the environment has already.
        """
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
    """Make the copy anew; a lock lets only one test run use it at a time."""
    asked = [sys.executable, "-c", "import build; print(build.target_folder() / 'new-op')"]
    place = Path(subprocess.check_output(asked, cwd=_ROOT / "wasm_src", text=True).strip())
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = place / "checkout"
        _empty(folder)
        # `copy` does not keep the files' times: with them, cargo would take a changed but older file for unchanged.
        shutil.copytree(
            _ROOT, folder, ignore=_LEFT_OUT, symlinks=True, copy_function=shutil.copy, dirs_exist_ok=True
        )
        _install(folder)
        yield Checkout(folder, place / "builds")


def _empty(folder: Path) -> None:
    """Empty the folder, except for pytest's cache, in which the compiled modules are reused if their digests match."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and path.name != ".pytest_cache":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _install(folder: Path) -> None:
    """Make a Python environment with the packages of this one, and with the copy in place of this checkout."""
    venv.create(folder / ".venv", symlinks=True)
    [packages] = (folder / ".venv" / "lib").glob("python*/site-packages")
    (packages / "checkout.pth").write_text(f"{folder / 'src'}\n{sysconfig.get_path('purelib')}\n")
    (folder / ".venv" / "bin" / "ruff").symlink_to(Path(sysconfig.get_path("scripts")) / "ruff")
    script = folder / ".venv" / "bin" / "pytest"
    script.write_text(f"#!{folder / '.venv' / 'bin' / 'python'}\n{_PYTEST}")
    script.chmod(0o755)
