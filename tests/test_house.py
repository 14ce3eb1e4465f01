"""Rules for this code base that no linter knows."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wasmfleet.workers import errors
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.contracts.operation import Operation

_ROOT = Path(__file__).parents[1]
_LONGEST = 300


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=_ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [
        path
        for line in listed.stdout.splitlines()
        if (path := _ROOT / line).is_file() and not path.is_symlink()
    ]


def test_no_source_file_is_longer_than_300_lines() -> None:
    sizes = {path.relative_to(_ROOT): len(path.read_text().splitlines()) for path in tracked("*.py", "*.rs")}

    assert {path: size for path, size in sizes.items() if size > _LONGEST} == {}


def test_every_python_file_says_first_what_it_is_for() -> None:
    silent = [
        path for path in tracked("*.py") if (text := path.read_text()) and not re.match(r'(#!.*\n)?"""', text)
    ]

    assert silent == []


def test_every_room_and_file_of_the_house_has_its_layer() -> None:
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    ordered = {module for layer in layers for module in layer.split(" | ")}
    standing = {
        f"wasmfleet.workers.{path.stem}"
        for path in (_ROOT / "workers").iterdir()
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
    }

    assert ordered == standing | {"wasmfleet.config", "wasmfleet.tasks"}


def test_the_map_says_what_the_rooms_and_files_say() -> None:
    drawn = subprocess.run(
        [sys.executable, "docs/map.py", "--check"], cwd=_ROOT, capture_output=True, text=True
    )

    assert (drawn.returncode, drawn.stderr) == (0, "")


def test_a_walk_meets_files_that_exist_and_none_twice() -> None:
    text = (_ROOT / "ARCHITECTURE.md").read_text()
    walks = re.split(r"^### ", text.partition("## Three walks")[2].partition("\n## ")[0], flags=re.MULTILINE)[
        1:
    ]
    steps = [re.findall(r"^\d+\. `([^`]+)`", walk, re.MULTILINE) for walk in walks]
    missing = [step for walk in steps for step in walk if not (_ROOT / step).is_file()]
    twice = [step for walk in steps for step in set(walk) if walk.count(step) > 1]

    assert (len(steps), missing, twice) == (3, [], [])
    assert min(map(len, steps)) > 5


def test_the_errors_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))

    assert drawn | {"WasmfleetError"} == set(errors.BY_CODE)


def test_no_error_is_a_memory_error() -> None:
    assert not [error for error in errors.BY_CODE.values() if issubclass(error, MemoryError)]


def test_only_the_runtime_touches_raw_memory() -> None:
    importing = re.compile(r"^import ctypes", re.MULTILINE)
    touching = {
        path.relative_to(_ROOT).as_posix() for path in tracked("*.py") if importing.search(path.read_text())
    }

    assert touching <= {"workers/runtime/instance.py", "workers/node/watchdog.py"}


def operations() -> list[Operation]:
    from wasmfleet.workers.app import app

    app.loader.import_default_modules()
    found = (task.operation for task in app.tasks.values() if isinstance(task, OperationTask))
    return [operation for operation in found if operation.twin is not None]


def test_every_operation_is_in_its_module_under_its_own_name() -> None:
    from wasmfleet.config.settings import settings
    from wasmfleet.workers.runtime.modules import files, read

    declared = {name: set(read(name, path).operations) for name, path in files(settings()).items()}
    missing = [
        operation.name
        for operation in operations()
        if not operation.alias_of and operation.function not in declared[operation.module]
    ]
    without_task = {f"{name}.{op}" for name, ops in declared.items() for op in ops} - {
        operation.name.removeprefix("wasmfleet.") for operation in operations()
    }

    assert (missing, without_task) == ([], set())


def test_every_operation_says_what_it_does() -> None:
    silent = [one.name for one in operations() if not (getattr(one.twin, "__doc__", None) or "").strip()]

    assert silent == []
