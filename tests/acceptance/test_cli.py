"""The command line, against a fleet that `wasmfleet up` started."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests import lifeline
from tests.acceptance.conftest import CommandLine, one_line
from tests.acceptance.installation import until


def findings(fleet: CommandLine, *words: str | Path) -> list[dict[str, Any]]:
    done = fleet.run("check", *words, "--format", "json")
    assert done.returncode == 1, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_check_names_file_line_column_and_reason(fleet: CommandLine, tree: Path) -> None:
    done = fleet.run("check", tree)

    assert done.returncode == 1
    assert f"{tree}/broken.js:2:15: error[unexpected-token] Unexpected token" in done.stdout
    assert f"{tree}/twice.mjs:2:5: error[redeclaration]" in done.stdout


def test_the_caret_stands_below_the_place(fleet: CommandLine, tree: Path) -> None:
    _, line, caret, *_ = fleet.run("check", tree / "broken.js").stdout.splitlines()

    assert line[caret.index("^")] == ";"


def test_check_counts_files_findings_lanes_and_what_it_skipped(fleet: CommandLine, tree: Path) -> None:
    summary = fleet.run("check", tree).stdout.splitlines()[-1]

    assert "checked 4 files" in summary
    assert "2 findings in 2 files" in summary
    assert "lanes: wasm 4" in summary
    assert "ignored 1, node_modules 1" in summary


def test_check_looks_into_node_modules_when_asked_for_it(fleet: CommandLine, tree: Path) -> None:
    [finding] = findings(fleet, tree / "node_modules" / "package")

    assert finding["path"].endswith("node_modules/package/index.js")


def test_a_clean_tree_exits_with_0_and_an_empty_list(fleet: CommandLine, tree: Path) -> None:
    done = fleet.run("check", tree / "good.ts", "--format", "json")

    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_every_checked_file_has_one_row(fleet: CommandLine, tree: Path) -> None:
    def rows() -> int:
        with sqlite3.connect(Path(fleet.environment["WASMFLEET_DATA_DIR"]) / "results.sqlite") as log:
            return int(log.execute("select count(*) from results").fetchone()[0])

    before = rows()
    fleet.run("check", tree)

    assert rows() - before == 4


def test_sarif_has_what_the_standard_requires(fleet: CommandLine, tree: Path) -> None:
    sarif = json.loads(fleet.run("check", tree, "--format", "sarif").stdout)

    assert sarif["version"] == "2.1.0"
    [run] = sarif["runs"]
    assert run["tool"]["driver"]["name"] == "wasmfleet"
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert len(run["results"]) == 2
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] == "error"
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].startswith("file:///")
        assert place["region"]["startLine"] == 2


def test_a_file_that_is_not_utf8_is_a_finding_at_its_bad_byte(fleet: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "latin.js").write_bytes("var ok;\nvar café;\n".encode("latin-1"))

    [finding] = findings(fleet, tmp_path)

    assert (finding["code"], finding["line"], finding["column"]) == ("invalid-utf8", 2, 8)
    assert "0xe9" in finding["message"]


def test_64_mb_of_text_are_a_finding(fleet: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "large.js").write_bytes(b"/*" + b"x" * (64 << 20) + b"*/")

    [finding] = findings(fleet, tmp_path)

    assert finding["code"] == "too-large"
    assert "WASMFLEET_MAX_INPUT" in finding["message"]


def test_what_is_no_readable_file_is_a_finding(fleet: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "dangling.js").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.js")

    assert [finding["code"] for finding in findings(fleet, tmp_path)] == ["unreadable", "unreadable"]


def test_a_line_cannot_command_the_terminal(fleet: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "escape.js").write_text('var s = "\x1b[31m')

    assert "\x1b" not in fleet.run("check", tmp_path).stdout


def test_plain_python_says_once_what_it_does_not_check(fleet: CommandLine, tree: Path) -> None:
    done = fleet.run("check", tree / "good.ts", tree / "sub", "--lane", "python")
    [note] = json.loads(fleet.run("check", tree / "good.ts", "--lane", "python", "--format", "json").stdout)

    assert done.stdout.count("without checking early errors") == 1
    assert (note["severity"], note["unchecked"]) == ("note", ["early errors"])


def test_a_path_that_does_not_exist_is_one_line(fleet: CommandLine) -> None:
    done = fleet.run("check", "nowhere")

    assert (done.returncode, one_line(done.stderr)) == (2, "wasmfleet: nowhere: No such file or directory")


def test_check_starts_a_fleet_where_none_runs_and_ends_it(alone: CommandLine, tree: Path) -> None:
    done = alone.run("check", tree / "broken.js")

    assert done.returncode == 1, done.stderr
    assert "starting one for this job" in done.stderr
    assert not (Path(alone.environment["WASMFLEET_DATA_DIR"]) / "fleet.json").exists()


def test_ctrl_c_cancels_what_is_queued(fleet: CommandLine, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    text = "".join(f"function f{n}(a, b) {{ return a * b + {n}; }}\n" for n in range(10_000))
    for n in range(400):
        (many / f"{n}.js").write_text(text)

    def rows() -> int:
        log = Path(fleet.environment["WASMFLEET_DATA_DIR"]) / "results.sqlite"
        with contextlib.closing(sqlite3.connect(log)) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM results")
        return int(count)

    before = rows()
    process = fleet.start("check", many, log=tmp_path / "check.log")
    until(lambda: rows() > before, what="the first files are checked")
    process.send_signal(signal.SIGINT)

    try:
        assert process.wait(30) == 130
    finally:
        lifeline.end(process)
    assert (tmp_path / "check.log").read_text() == ""
    assert rows() - before < 200


def test_submit_prints_the_result_as_json(fleet: CommandLine) -> None:
    done = fleet.run("submit", "ast.validate", "--arg", "source=let a = ;", "--arg", "filename=a.js")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["diagnostics"][0]["column"] == 9


def test_submit_reads_arguments_from_files_and_json(fleet: CommandLine, tree: Path) -> None:
    words = ["--file", f"source={tree}/broken.js", "--json", '{"filename": "a.ts"}']

    told = json.loads(fleet.run("submit", "ast.validate", *words, "--lane", "wasm").stdout)

    assert (told["valid"], told["language"]) == (False, "typescript")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ast.validat"], "did you mean ast.validate?"),
        (["nothing.like.it"], "there is no operation 'nothing.like.it'"),
        (["ast.validate", "--json", '{"source": 3}'], "`source`: expected `str`, got `int`"),
        (["ast.validate"], "missing required field `source`"),
        (["ast.validate", "--arg", "source=", "--arg", "language=cobol"], "`language`"),
        (["ast.validate", "--arg", "source"], "write NAME=VALUE"),
        (["ast.validate", "--file", "source=nowhere"], "nowhere: No such file or directory"),
    ],
)
def test_a_call_that_cannot_be_is_one_line(fleet: CommandLine, words: list[str], reason: str) -> None:
    done = fleet.run("submit", *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert reason in one_line(done.stderr)


def test_a_worker_without_a_keyring_says_that_it_is_its_own(fleet: CommandLine, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    keyring.touch(0o600)
    keyring.write_text(json.dumps({"mine": "A" * 43 + "="}))
    words = ["--arg", "data=abc", "--arg", "key_id=mine"]

    done = fleet.with_settings(KEYRING=str(keyring)).run("submit", "crypto.sign", *words)

    assert re.search(
        r"the worker (wasm|python)-\S+ has no keyring; set WASMFLEET_KEYRING in its", done.stderr
    ), done


def test_results_show_the_newest_row_first(fleet: CommandLine) -> None:
    fleet.run("submit", "ast.validate", "--arg", "source=1", "--lane", "wasm")

    [row] = json.loads(fleet.run("results", "--limit", "1", "--format", "json").stdout)
    table = list(csv.DictReader(io.StringIO(fleet.run("results", "--limit", "1", "--format", "csv").stdout)))

    assert (row["operation"], row["lane"], row["outcome"]) == ("wasmfleet.ast.validate", "wasm", "ok")
    assert table[0]["task_id"] == row["task_id"]


def test_results_in_numbers(fleet: CommandLine) -> None:
    fleet.run("submit", "ast.validate", "--arg", "source=1")

    words = ["--stats", "--operation", "ast.*", "--since", "1h", "--format", "json"]
    tallies = json.loads(fleet.run("results", *words).stdout)

    assert {"wasmfleet.ast.validate"} <= {tally["operation"] for tally in tallies}
    assert all(tally["run_p50_ms"] <= tally["run_p95_ms"] for tally in tallies)


def test_ops_lists_the_catalogue_and_tells_all_of_one(fleet: CommandLine) -> None:
    assert "ast.validate" in fleet.run("ops").stdout
    assert "tree-sitter" in fleet.run("ops", "ast.validate").stdout
    assert "did you mean ast.validate" in one_line(fleet.run("ops", "ast.valid").stderr)
