"""WASMFLEET_LOG_FORMAT=json: what a fleet prints is one JSON object a line, without secrets and control characters."""

import logging
import re
import sys
from collections.abc import Iterator

import msgspec
import pytest

from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.up import up
from wasmfleet.config.settings import Settings
from wasmfleet.workers import log_lines
from wasmfleet.workers.log_lines import Line


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet that writes JSON, with Flower, with modules that cannot serve, in which a call has failed."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "junk.wasm").write_bytes(b"junk")
    (modules / "Capital.wasm").write_bytes(b"junk")
    folder = tmp_path_factory.mktemp("json")
    with installation(folder, LOG_FORMAT="json", MODULES=str(modules)) as made, up(made):
        result = made.call("digest.digest", data=b"abc", algorithm="none such")
        until(result.ready, what="a call has failed")
        yield made


def lines(fleet: Installation) -> list[Line]:
    """Return what the fleet has printed; each line must be one object with the fields of a line."""
    text = (fleet.folder / "up.log").read_text()
    assert text.isascii() or all(line.isprintable() for line in text.splitlines())
    return [msgspec.json.decode(line, type=Line) for line in text.splitlines()]


def test_every_line_of_every_process_is_one_object(fleet: Installation) -> None:
    told = lines(fleet)

    by_process = {
        process: [one for one in told if one.process == process] for process in ("up", "broker", "wasm")
    }
    assert all(by_process.values()), by_process
    assert any(one.logger == "wasmfleet.presence" and "module digest: ready" in one.message for one in told)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one.time) for one in told)
    assert {one.level for one in told if one.logger == "valkey"} <= {"warning"}
    assert not [one for one in told if " WARNING " in one.message]
    assert {one.level for one in told} <= {"debug", "info", "warning", "error", "critical"}


def test_a_module_that_cannot_serve_is_an_error(fleet: Installation) -> None:
    until(
        lambda: "module junk: failed" in fleet.output(), what="a heartbeat has told of it", log=fleet.output
    )
    told = [one for one in lines(fleet) if "module junk" in one.message or "Capital" in one.message]

    refusals = [one for one in told if " is refused: " in one.message]
    states = [one for one in told if "module junk: failed" in one.message]
    assert {one.process for one in refusals} == {"wasm", "python"}
    assert {one.logger for one in refusals} == {"wasmfleet.worker"}
    assert {one.logger for one in states} == {"wasmfleet.presence"}
    assert {one.level for one in told} == {"error"}


def test_a_line_about_a_call_has_its_id_and_operation() -> None:
    record = logging.LogRecord("celery.app.trace", logging.ERROR, "", 1, "Task %(name)s failed", (), None)
    record.data = {"id": "an id", "name": "wasmfleet.digest.digest"}

    found = msgspec.json.decode(log_lines.formatter(Settings(log_format="json")).format(record), type=Line)

    assert (found.task_id, found.operation) == ("an id", "wasmfleet.digest.digest")


def test_no_line_has_the_password(fleet: Installation) -> None:
    password = (fleet.data / "broker" / "password").read_text().strip()

    assert password not in (fleet.folder / "up.log").read_text()


@pytest.mark.parametrize(
    "text", ["plain", "\x1b[2J", "a\nb", '{"time": "forged"}', "\u202e", '{"message": 1}']
)
def test_what_another_program_prints_becomes_a_line_of_its_own(text: str) -> None:
    line = log_lines.of_other(Settings(log_format="json"), "other", text)

    assert line.isprintable()
    found = msgspec.json.decode(line, type=Line)
    assert (found.process, found.logger) == ("other", "other")
    assert log_lines.of_other(Settings(), "other", text) == text


def test_an_error_has_its_traceback_in_the_same_line() -> None:
    try:
        raise ValueError("bad\x1b[0m")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "failed: %s", ("x\ny",), sys.exc_info())
    line = log_lines.formatter(Settings(log_format="json"), lambda: ("id", "op")).format(record)

    found = msgspec.json.decode(line, type=Line)
    assert line.isprintable()
    assert (found.level, found.task_id, found.operation) == ("error", "id", "op")
    assert "ValueError: bad" in found.traceback
    assert "\x1b" not in found.traceback
