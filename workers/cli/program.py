"""The name by which this program can be called from the shell that called it, and the options that ask for help."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

#: Typer's settings for each command and group.
CONTEXT: Final = {"help_option_names": ["-h", "--help"]}


def name() -> str:
    """Return `wasmfleet` where the shell finds this program by that name, else the path by which it was called."""
    called = Path(sys.argv[0])
    if called.name != "wasmfleet":
        return f"{_shortest(Path(sys.executable))} -m wasmfleet"
    found = shutil.which("wasmfleet")
    if found and called.exists() and Path(found).samefile(called):
        return "wasmfleet"
    return _shortest(called)


def _shortest(path: Path) -> str:
    """Write a path from the working folder where it lies below that, as `make` calls it."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - a virtual environment is reached by links
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)
