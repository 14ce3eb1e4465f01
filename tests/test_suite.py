"""Rules for the tests themselves: they stay short, leave nothing behind, and name the tools they need."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.tools import TOOLS, tool

_TESTS = Path(__file__).parent
#: Folders whose tests may each start a fleet: chaos breaks its fleets, and only `make attack` uses attack.
_MAY_START_ANY = {"chaos", "attack"}
_STARTS = {"installation", "chaos_fleet", "up"}
_SHARED = {"module", "package", "session"}


def test_outside_chaos_a_fleet_is_started_for_many_tests_at_once() -> None:
    alone = [
        f"{path.relative_to(_TESTS)}::{function.name}"
        for path in _TESTS.rglob("*.py")
        if path.name.startswith(("test_", "conftest")) and not _MAY_START_ANY & set(path.parts)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and _starts_a_fleet(function) and not _is_shared(function)
    ]

    assert alone == [], (
        "let a fixture of a module or of the session start it, or move the test to tests/chaos"
    )


def _starts_a_fleet(function: ast.FunctionDef) -> bool:
    called = {node.func.id for node in ast.walk(function) if _is_plain_call(node)}  # type: ignore[attr-defined]
    return bool(called & _STARTS)


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _is_shared(function: ast.FunctionDef) -> bool:
    """Tell whether a function is a fixture that many tests share."""
    scopes = [
        keyword.value.value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "scope" and isinstance(keyword.value, ast.Constant)
    ]
    return bool(_SHARED & set(scopes))


def test_the_tools_of_the_build_are_among_those_that_are_installed() -> None:
    source = (_TESTS.parent / "wasm_src" / "build.py").read_text()
    [packages] = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PACKAGES"
    ]

    assert set(packages) == set(tool("rust").packages)


def test_every_tool_is_needed_by_a_test_or_a_command() -> None:
    used = "".join(path.read_text() for path in [*_TESTS.rglob("*.py"), _TESTS.parent / "Makefile"])

    unused = [
        tool.name
        for tool in TOOLS
        if f'need("{tool.name}")' not in used and f"--need {tool.name}\n" not in used
    ]
    assert unused == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_the_tests_have_started_ends_with_them(how: signal.Signals) -> None:
    code = "import time; from tests import lifeline; print(lifeline.start(['sleep', '600']).pid); time.sleep(600)"
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, cwd=_TESTS.parent, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        sleeping = Path("/proc") / tests.stdout.readline().strip()
        assert (sleeping / "comm").read_text() == "sleep\n"

        os.kill(tests.pid, how)

        until(lambda: not sleeping.exists(), what="the process is gone")
