"""A pseudo-terminal, on which a command writes as on a person's."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def shows(words: Sequence[str | Path], environment: dict[str, str], folder: Path, *, columns: int) -> str:
    """Run `wasmfleet` with these words on a terminal of so many columns, and return what it writes there."""
    ours, theirs = os.openpty()
    own = environment | {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "wasmfleet", *words]
    process = subprocess.Popen(command, env=own, cwd=folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # read fails once the command has closed its end
        while part := os.read(ours, 65536):
            written += part
    os.close(ours)
    process.wait(60)
    return written.decode()
