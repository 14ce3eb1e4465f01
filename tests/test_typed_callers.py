"""What type checkers see of operations: the arguments and results of every way to call one."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from wasmfleet.workers.app import app, families, load_families
from wasmfleet.workers.calls.task import OperationTask

_PROGRAM = Path(__file__).with_name("typed_caller.py")
_SOURCE = Path(__file__).parents[1] / "src"
#: With every package's types, and with none: a caller has celery-types, or has them not.
_ENVIRONMENTS = {"with celery-types": (), "without": ("--no-site-packages", "--ignore-missing-imports")}


def checked(program: Path, *options: str) -> list[str]:
    """Return what mypy says of a program that uses the package, a line each."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", program.parent / ".mypy_cache"]
    done = subprocess.run(
        [*command, "--follow-imports=silent", *options, program],
        env={"MYPYPATH": str(_SOURCE)},
        cwd=program.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


def _revealed(lines: Sequence[str]) -> dict[int, str]:
    """Return the types that mypy has found, by line, with the names of classes alone."""
    found = (re.match(r'[^:]+:(\d+): note: Revealed type is "(.+)"', line) for line in lines)
    return {int(one[1]): re.sub(r"\b[\w.]+\.(\w+)", r"\1", one[2]) for one in found if one}


@pytest.mark.parametrize("environment", _ENVIRONMENTS)
def test_a_callers_program_has_the_types_and_the_errors_that_it_says(
    environment: str, tmp_path: Path
) -> None:
    program = tmp_path / "caller.py"
    program.write_text(re.sub(r"^( *)gives\(", r"\1reveal_type(", _PROGRAM.read_text(), flags=re.MULTILINE))
    text = dict(enumerate(program.read_text().splitlines(), 1))

    lines = checked(program, *_ENVIRONMENTS[environment])

    wanted = {line: code.rpartition("# ")[2] for line, code in text.items() if "reveal_type(" in code}
    wrong = {line for line, code in text.items() if code.endswith("# wrong")}
    assert _revealed(lines) == wanted
    assert {int(line.split(":")[1]) for line in lines if ": error: " in line} == wrong
    print(f"{environment}: {len(wanted)} types found, {len(wrong)} wrong calls refused")


def test_every_operation_has_typed_arguments_and_a_typed_result(tmp_path: Path) -> None:
    load_families()
    operations = [task for task in app.tasks.values() if isinstance(task, OperationTask)]
    built_in = {name.rpartition(".")[2] for name in families()}  # a test before may have registered modules
    calls = sorted(
        one.name.removeprefix("wasmfleet.") for one in operations if one.name.split(".")[1] in built_in
    )
    program = tmp_path / "caller.py"
    used = ", ".join(sorted({call.partition(".")[0] for call in calls}))
    program.write_text(f"from wasmfleet.tasks import {used}\n")
    with program.open("a") as lines:
        lines.writelines(f"reveal_type({call}.options())\n" for call in calls)

    types = list(_revealed(checked(program)).values())

    assert len(types) == len(calls) >= 20
    untyped = {
        call: found
        for call, found in zip(calls, types, strict=True)
        if not re.fullmatch(r"Configured\[\[.+\], (?!Any\]).+\]", found)
    }
    assert untyped == {}
