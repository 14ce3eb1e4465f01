"""Names, ids and reasons with control characters: every command and every log shows them as plain text."""

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from tests.acceptance import terminal
from tests.acceptance.installation import until
from tests.acceptance.junk import BEAT, ENTRY
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_BAD = "=\x1b]0;owned\x07\x1b[31mRED\x9b2J\u202e\x7f\r\nFORGED"
_SHOWN = r"=\x1b]0;owned\x07\x1b[31mRED\x9b2J\u202e\x7f\r\nFORGED"
_OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    """A fleet that was given names with control characters wherever an outsider can give a name."""
    with chaos_fleet(tmp_path_factory.mktemp("printed")) as made:
        made.start_fleet("python")
        sent = [
            _message([[], {_BAD: 1}, {}], {"id": _BAD, "wasmfleet": {"handed_over": _BAD}}),
            _message([[], {}, {}], {"id": _BAD + "2", "task": _BAD}),
            _message([["x" + _BAD, [{}]], {}, {}], {"id": "batch", "task": "wasmfleet.batch"}),
            _message(5, {"id": "odd", "eta": _BAD}),
        ]
        with Redis.from_url(made.url) as broker:
            broker.lpush("wasmfleet.python", *map(json.dumps, sent))
            broker.publish("/0.celery.pidbox", json.dumps(_message({"method": _BAD})))
            entry = (
                ENTRY | {"id": _BAD, "queue": _BAD} | dict.fromkeys(("reason", "operation", "worker"), _BAD)
            )
            broker.hset("wasmfleet:quarantine", _BAD, msgspec.msgpack.encode(entry))
        until(lambda: made.logged() == 4, log=made.output)
        with _forged_worker(made):
            yield made


@contextlib.contextmanager
def _forged_worker(fleet: ChaosFleet) -> Iterator[None]:
    odd = dict.fromkeys(("worker", "node", "idle_because"), _BAD)
    beat = BEAT | odd | {"sent_at": time.time(), "modules": {_BAD: [_BAD, _BAD]}}
    with Redis.from_url(fleet.url) as broker:
        broker.set(f"wasmfleet:presence:{_BAD}", msgspec.msgpack.encode(beat))
        yield


@pytest.fixture(scope="module")
def sources(fleet: ChaosFleet) -> Path:
    folder = fleet.folder / "sources"
    folder.mkdir()
    (folder / f"{_BAD}.js").write_text(f"let a = 1;\n\tlet ü = (a + ; // {_BAD}")
    (folder / f"{_BAD}2.js").mkdir()
    (folder / f"{_BAD}3.js").write_bytes(b"\xff\xfe")
    return folder


_COMMANDS: list[list[str]] = [
    ["results"],
    ["results", "--stats"],
    ["results", "--task", _BAD],
    ["results", "--since", _BAD],
    ["results", "--format", "csv"],
    ["results", "--format", "json"],
    ["quarantine", "list"],
    ["quarantine", "list", "--format", "json"],
    ["quarantine", "show", _BAD],
    ["quarantine", "show", f"{_BAD}2"],
    ["quarantine", "show", f"no {_BAD}"],
    ["quarantine", "retry", _BAD],
    ["quarantine", "drop", f"no {_BAD}"],
    ["doctor"],
    ["doctor", "--format", "json"],
    ["ops", _BAD],
    ["submit", _BAD],
    ["submit", "text.hash", "--arg", f"{_BAD}=1"],
    ["submit", "text.hash", "--file", f"text={_BAD}"],
    ["drain", f"no {_BAD}"],
    ["check", "--lane", "python", "."],
    ["check", "--lane", "python", "--format", "json", "."],
    ["check", "--lane", "python", "--format", "sarif", "."],
    ["check", f"--x{_BAD[1:]}"],
    ["check", f"no {_BAD}"],
    [_BAD],
]


def test_no_command_prints_what_commands_a_terminal(fleet: ChaosFleet, sources: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda words: _run(fleet, sources, words), _COMMANDS))

    for words, done in zip(_COMMANDS, told, strict=True):
        for written in (done.stdout, done.stderr):
            _assert_plain(written.decode(), words)
        assert b"Traceback" not in done.stderr, (words, done.stderr)
        assert b"RED" in done.stdout + done.stderr or {"retry", "--arg"} & set(words), words


def _run(fleet: ChaosFleet, folder: Path, words: list[str]) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "wasmfleet", *words]
    return subprocess.run(command, env=fleet.environment, cwd=folder, capture_output=True, timeout=100)


@pytest.mark.parametrize(
    "words",
    [["results"], ["quarantine", "list"], ["doctor"], ["check", "--no-progress", "--lane", "python", "."]],
)
def test_on_a_terminal_the_only_commands_are_our_own_colours(
    fleet: ChaosFleet, sources: Path, words: list[str]
) -> None:
    written = terminal.shows(words, fleet.environment, sources, columns=200)

    assert "\x1b[31mRED" not in written
    _assert_plain(_OWN_COLOURS.sub("", written.replace("\r\n", "\n")), words)
    assert "RED" in written


def test_a_worker_logs_one_line_for_one_event(fleet: ChaosFleet) -> None:
    _assert_plain(fleet.output(), ["the log"])
    assert f"refused message {_SHOWN}2" in fleet.output()


def test_a_spreadsheet_sees_no_formula_and_json_has_the_text_as_it_is(fleet: ChaosFleet) -> None:
    table = _said(fleet, "results", "--format", "csv")
    told = json.loads(_said(fleet, "results", "--format", "json"))

    assert [row["task_id"] for row in csv.DictReader(io.StringIO(table)) if row["handed_over"]] == [
        f"'{_SHOWN}"
    ]
    assert [row["task_id"] for row in told if row["handed_over"]] == [_BAD]


def test_the_fleet_relays_what_its_processes_print_as_lines(fleet: ChaosFleet) -> None:
    wanted = "from wasmfleet.workers.cli.up import _printed; _printed('wasm', '\\x1b]0;x\\x07\\rFORGED')"
    done = subprocess.run(
        [sys.executable, "-c", wanted], env=fleet.environment, capture_output=True, check=True
    )

    assert done.stderr.decode() == "wasm     | \\x1b]0;x\\x07\\rFORGED\n"


def _assert_plain(text: str, words: list[str]) -> None:
    odd = sorted({character for character in text if not character.isprintable() and character != "\n"})
    assert odd == [], (words, odd)
    assert not [line for line in text.splitlines() if line.strip().startswith("FORGED")], words


def _said(fleet: ChaosFleet, *words: str) -> str:
    command = [sys.executable, "-m", "wasmfleet", *words]
    return subprocess.run(command, env=fleet.environment, capture_output=True, text=True, check=True).stdout


def _message(body: Any, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "body": json.dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "wasmfleet.chaos.nap", "id": "x"} | (headers or {}),
        "properties": {"delivery_tag": str(time.monotonic_ns()), "delivery_info": {}},
    }
