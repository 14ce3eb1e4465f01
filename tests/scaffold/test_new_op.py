"""Add operations in a copy of this checkout, with the commands, messages and files that CONTRIBUTING.md shows."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need
from tests.scaffold.checkout import Checkout, checkout
from tests.scaffold.record import Record, records

_RECORDS = records()
_SOURCES = Path(__file__).parents[2] / "wasm_src"


@pytest.fixture(scope="module")
def copy() -> Iterator[Checkout]:
    need("rust")
    with checkout() as made:
        yield made


def test_the_record_has_an_old_family_and_a_new_one() -> None:
    written = {f"{record.family}.{record.name}": set(record.written) for record in _RECORDS}

    assert written == {
        "text.count_lines": _files("text", "count_lines"),
        "identifiers.luhn": _files("identifiers", "luhn"),
    }


# The first build compiles Rust's standard library, which takes a minute, or many on a busy machine; later it is cached.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("record", _RECORDS, ids=lambda record: f"{record.family}.{record.name}")
def test_the_record_of_adding_an_operation_is_what_happens(copy: Checkout, record: Record) -> None:
    lay_out, *shown, build, docs, check = record.steps
    before = _modules(copy)

    assert _missing(lay_out.printed, _passes(copy, lay_out.command)) == []
    _passes(copy, ".venv/bin/ruff check tasks && .venv/bin/ruff format --check tasks")
    _assert_says_what_to_write(
        _fails(copy, check.command, "6 failed, 1 passed"),
        record,
        [line for one in shown for line in one.printed],
    )

    _write(copy, record, ".py", ".rs")
    _passes(copy, build.command)
    # The generated calls pass now, unless nearly all are refused: then they need the vectors to start from.
    assert "the right result, from the standard" in _fails(
        copy, check.command, "(5 failed, 2 passed|6 failed, 1 passed)"
    )

    _write(copy, record, ".json")
    _passes(copy, docs.command)
    assert _lanes_of_passed_vectors(_passes(copy, f"{check.command} -rp"), record) == {"wasm", "python"}
    assert f"### {record.family}.{record.name}" in copy.read("docs/operations.md")
    assert _modules(copy).items() - before.items() == {(record.family, _modules(copy)[record.family])}


@pytest.mark.parametrize(
    ("family", "name", "reason"),
    [
        ("text", "", "NAME is missing"),
        ("Text", "count", "snake_case"),
        ("text", "count-lines", "snake_case"),
        ("text", "class", "a keyword of Python"),
        ("text", "match", "a keyword of Rust"),
        ("text", "str", "a type that signatures use"),
        ("text", "lib", "the file that makes a crate a module"),
        ("text", "hash", "tasks/text.py defines or imports this name already"),
        ("text", "digest", "tasks/text.py defines or imports this name already"),
        ("metrics", "histogram", "wasm_src/metrics/src/histogram.rs already exists"),
        ("serde", "count", "a crate that every module is built from"),
        ("batch", "count", "the task that carries many calls"),
        ("stubs", "count", "wasm_src/stubs exists and is no module"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_line(family: str, name: str, reason: str) -> None:
    done = _new_op(f"sys.exit(main({family!r}, {name!r}))")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("new-op: ")
    assert reason in done.stderr


def test_without_rust_the_command_that_installs_it_is_told_and_nothing_is_written() -> None:
    done = _new_op("build.CARGO = '/nowhere/cargo'; sys.exit(main('text', 'not_written'))")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "missing: /nowhere/cargo. Install Debian's packages: apt-get install rustc-web" in done.stderr
    assert not (_SOURCES / "text" / "src" / "not_written.rs").exists()


def _new_op(code: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys, build; from new_op.__main__ import main; {code}"
    return subprocess.run([sys.executable, "-c", program], cwd=_SOURCES, capture_output=True, text=True)


def _files(family: str, name: str) -> set[str]:
    return {
        f"tasks/{family}.py",
        f"wasm_src/{family}/src/{name}.rs",
        f"tests/vectors/{family}/{name}.json",
    }


def _passes(copy: Checkout, command: str) -> str:
    done = copy.run(command)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def _fails(copy: Checkout, command: str, counts: str) -> str:
    """Run tests of which so many fail, and give what they print."""
    done = copy.run(command)
    assert done.returncode == 1, f"$ {command}\n{done.stdout}"
    assert re.search(rf"^{counts}, \d+ deselected", done.stdout, re.MULTILINE), done.stdout
    return done.stdout


def _missing(lines: list[str], output: str) -> list[str]:
    return [line for line in lines if line not in output]


def _assert_says_what_to_write(output: str, record: Record, recorded: list[str]) -> None:
    family, name = record.family, record.name
    told = [
        f"tasks/{family}.py: write the signature, the docstring and the body of `{name}`",
        f"wasm_src/{family}/src/{name}.rs: write `Args` and `run`",
        f"tests/vectors/{family}/{name}.json: the code of the error",
        *(f"{path}:" for path in _files(family, name)),
    ]
    assert _missing([*told, *recorded], output) == [], output


def _write(copy: Checkout, record: Record, *suffixes: str) -> None:
    """Write the record's texts into the files with these suffixes.

    A text that begins with a decorator replaces the stub at the end of its file; any other replaces the whole file.
    """
    for path, text in record.written.items():
        if path.endswith(suffixes):
            file = copy.folder / path
            stub = file.read_text().rpartition("\n@operation")[0] + "\n" if text.startswith("@") else ""
            file.write_text(stub + text)


def _lanes_of_passed_vectors(output: str, record: Record) -> set[str]:
    return set(re.findall(rf"^PASSED .*\[{record.family}\.{record.name}-(\w+)-", output, re.MULTILINE))


def _modules(copy: Checkout) -> dict[str, Any]:
    entries = json.loads(copy.read("wasm_bin/manifest.json"))["modules"]
    return {name: json.dumps(entry) for name, entry in entries.items()}
