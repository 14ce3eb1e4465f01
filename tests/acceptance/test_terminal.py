"""What a person sees who uses the command every day: whole names and ids, completion, and words that can be typed."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from tests.acceptance import terminal
from tests.acceptance.conftest import CommandLine, one_line
from tests.acceptance.junk import ENTRY
from wasmfleet.workers.node import valkey_log

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CATALOGUE = [
    operation["name"]
    for operation in json.loads(
        subprocess.run(
            [sys.executable, "-m", "wasmfleet", "ops", "--format", "json"], capture_output=True, check=True
        ).stdout
    )
]


def shown(fleet: CommandLine, *words: str | Path, columns: int) -> list[str]:
    written = terminal.shows(words, fleet.environment, fleet.folder, columns=columns)
    return _COLOURS.sub("", written).replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [40, 80, 120, 1000])
def test_a_narrow_terminal_hides_columns_and_cuts_no_name(fleet: CommandLine, columns: int) -> None:
    lines = shown(fleet, "ops", columns=columns)

    assert [
        name for name in _CATALOGUE if not any(line.startswith(name.partition(".")[2]) for line in lines)
    ] == []
    assert not [line for line in lines if "…" in line]
    assert columns < 80 or max(map(len, lines)) <= columns
    assert ("hidden: signature" in lines[-1]) == (columns < 1000)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_narrow_terminal_shows_whole_ids(fleet: CommandLine, columns: int) -> None:
    fleet.run("submit", "ast.validate", "--arg", "source=1")
    [row] = json.loads(fleet.run("results", "--limit", "1", "--format", "json").stdout)

    table = shown(fleet, "results", "--limit", "1", columns=columns)

    assert row["task_id"] in table[1]
    assert "ast.validate" in table[1]
    assert max(map(len, table[:2])) <= columns


def test_a_narrow_terminal_says_what_went_wrong(fleet: CommandLine) -> None:
    fleet.run("submit", "ast.transform", "--arg", "source=let a = ;")

    table = shown(fleet, "results", "--outcome", "error", "--operation", "ast.transform", columns=80)

    assert "what happened" in table[0]
    assert "InvalidSource" in "".join(table)
    assert max(map(len, table[:-1])) <= 80


def test_the_first_characters_of_an_id_are_enough(fleet: CommandLine) -> None:
    fleet.run("submit", "ast.validate", "--arg", "source=1")
    [newest] = json.loads(fleet.run("results", "--limit", "1", "--format", "json").stdout)

    found = json.loads(fleet.run("results", "--task", newest["task_id"][:10], "--format", "json").stdout)

    assert newest in found
    assert {row["task_id"][:10] for row in found} == {newest["task_id"][:10]}


def test_a_family_is_listed_by_its_name(fleet: CommandLine) -> None:
    listed = [line.split()[0] for line in fleet.run("ops", "compression").stdout.splitlines()[1:]]

    assert listed == [name.partition(".")[2] for name in _CATALOGUE if ".compression." in name]
    assert "did you mean" in one_line(fleet.run("ops", "compressio").stderr)


def test_an_argument_that_is_no_text_is_json(fleet: CommandLine) -> None:
    done = fleet.run("submit", "metrics.aggregate", "--arg", 'series={"a": [1, 2, 3]}')

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["a"]["count"] == 3


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("wasmfleet ops dig", {"digest", "digest.digest"}),
        ("wasmfleet submit compression.dec", {"compression.decompress"}),
        ("wasmfleet results --operation crypto.enc", {"crypto.encrypt"}),
    ],
)
def test_a_shell_completes_operations(fleet: CommandLine, typed: str, completed: set[str]) -> None:
    asked = {
        "_WASMFLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = CommandLine(fleet.folder, fleet.environment | asked).run()

    assert set(done.stdout.split()) == completed


def set_aside(fleet: CommandLine, **entries: dict[str, object]) -> None:
    url = fleet.run("url").stdout.strip()
    with Redis.from_url(url) as store:
        store.delete("wasmfleet:quarantine")
        for id, own in entries.items():
            store.hset("wasmfleet:quarantine", id, msgspec.msgpack.encode(ENTRY | {"id": id} | own))


def left(fleet: CommandLine) -> set[str]:
    done = fleet.run("quarantine", "list", "--format", "json")
    return {entry["id"] for entry in json.loads(done.stdout or "[]")}


@pytest.mark.parametrize(
    ("words", "remaining"),
    [
        (["bcd"], {"abc", "abd"}),
        (["ab"], {"abc", "abd", "bcd"}),
        (["--operation", "ast.*"], {"bcd"}),
        (["--operation", "ast.*", "--older-than", "1h"], {"abd", "bcd"}),
        (["--older-than", "1h"], {"abd", "bcd"}),
        (["--all"], set()),
        ([], {"abc", "abd", "bcd"}),
        (["abc", "--all"], {"abc", "abd", "bcd"}),
    ],
)
def test_the_quarantine_is_emptied_by_id_by_operation_and_by_age(
    fleet: CommandLine, words: list[str], remaining: set[str]
) -> None:
    now = time.time()
    set_aside(
        fleet,
        abc={"operation": "wasmfleet.ast.parse", "at": now - 7200},
        abd={"operation": "wasmfleet.ast.validate", "at": now},
        bcd={"operation": "wasmfleet.digest.digest", "at": now},
    )

    done = fleet.run("quarantine", "drop", *words)

    assert left(fleet) == remaining, done
    assert (done.returncode == 0) == (len(remaining) < 3)


def test_valkeys_lines_are_told_as_ours() -> None:
    warning = "16772:M 27 Nov 2026 00:08:00.477 # WARNING Memory overcommit must be enabled!"

    assert valkey_log.retold(warning) == (
        "2026-11-27 00:08:00,477 WARNING valkey: Memory overcommit must be enabled!"
    )
    assert (
        valkey_log.retold("16772:signal-handler (1795738090) Received SIGTERM scheduling shutdown...") == ""
    )
    assert valkey_log.retold("*** FATAL CONFIG FILE ERROR ***") == "*** FATAL CONFIG FILE ERROR ***"
