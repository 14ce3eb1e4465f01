"""What `wasmfleet doctor` compares and measures: settings of shell and workers, URLs, limits of servers and hosts."""

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest
from redis import Redis

from tests.acceptance.conftest import CommandLine
from tests.transport.conftest import port as port  # a real Valkey of this module
from wasmfleet.config.settings import Settings
from wasmfleet.workers.cli import url_checkups, worker_checkups
from wasmfleet.workers.fleet_state import reported
from wasmfleet.workers.fleet_state.heartbeats import Presence
from wasmfleet.workers.records.outcomes import open_log
from wasmfleet.workers.runtime import modules


def findings(done: "subprocess.CompletedProcess[str]") -> dict[str, tuple[str, str]]:
    return {found["what"]: (found["state"], found["finding"]) for found in json.loads(done.stdout)}


def test_a_shell_with_other_settings_than_the_workers_is_told_which(
    fleet: CommandLine, tmp_path: Path
) -> None:
    keyring = tmp_path / "keyring.json"
    keyring.touch(0o600)
    keyring.write_text(json.dumps(dict.fromkeys(("sealing", "data"), "A" * 43 + "=")))
    other = fleet.with_settings(TIME_LIMIT="3", MEMORY_LIMIT="64", KEYRING=str(keyring), SEAL_KEY="sealing")

    same, differing = fleet.run("doctor", "--format", "json"), other.run("doctor", "--format", "json")

    assert not [what for what in findings(same) if what.startswith("settings of")]
    told = [found for what, found in findings(differing).items() if what.startswith("settings of")]
    assert [state for state, _ in told] == ["warning", "warning"]  # an accelerated and a plain-Python worker
    for _, finding in told:
        assert "time_limit is 10.0 there, 3.0 here" in finding
        assert "memory_limit is 1024 there, 64 here" in finding
        assert "its keyring lacks the key sealing" in finding
        assert "its keyring (none) lacks data, of the keyring here" in finding
    assert differing.returncode == 0  # it may be meant


def test_the_whole_fleet_is_told_by_what_each_worker_reports(fleet: CommandLine) -> None:
    done = fleet.run("doctor", "--fleet", "--format", "json")

    told = findings(done)
    reports = [finding for what, (_, finding) in told.items() if what.startswith("settings of")]
    assert done.returncode == 0
    assert len(reports) == 2
    assert all("time_limit 10.0" in report and "result_url the broker" in report for report in reports)
    assert not [what for what in told if what.startswith(("module", "keyring", "data folder"))]


def worker(role: Literal["wasm", "python"], **changes: Any) -> Presence:
    facts = {"pid": 1, "node": "here", "version": "1", "modules": {}, "sent_at": 0.0}
    return Presence(worker=f"{role}-1@here", role=role, **(facts | changes))


@pytest.mark.parametrize(
    ("roles", "finding"),
    [
        (["wasm", "python"], ""),
        (["wasm", "wasm"], "calls of lane python, and calls that are handed over, wait"),
        (["python"], "plain Python serves, and calls of lane wasm wait"),
    ],
)
def test_a_fleet_that_lacks_a_kind_of_worker_is_told_which_calls_wait(
    roles: list[Literal["wasm", "python"]], finding: str
) -> None:
    checkups = worker_checkups.examine(Settings(), list(map(worker, roles)), whole=True)

    told = [checkup for checkup in checkups if checkup.what == "workers"]
    assert [checkup.state for checkup in told] == ["warning"] * bool(finding)
    assert all(finding in checkup.finding for checkup in told)


def test_workers_that_differ_from_each_other_differ_in_their_keys_too() -> None:
    one = {"keyring": "a", "log": "/x", "time_limit": "1"}
    other = {"keyring": "b", "log": "/y", "time_limit": "1"}

    def found(**how: bool) -> list[str]:
        return sorted(reported.differences(one, other, **how))

    assert found(same_node=True, both_workers=True) == [
        "keyring is a there, b here",
        "log is /x there, /y here",
    ]
    assert found(same_node=False, both_workers=False) == ["its keyring (a) lacks b, of the keyring here"]
    fewer = one | {"keyring": "b, a"}
    assert list(reported.differences(fewer, other, same_node=False, both_workers=False)) == []
    assert list(reported.differences({}, other, same_node=True, both_workers=True)) == []


def test_a_report_has_no_password() -> None:
    told = reported.of(Settings(result_url="redis://user:hidden@host:1/0"))

    assert told["result_url"] == "redis://***@host:1/0"
    assert "hidden" not in str(told)


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        ("redis://:p/w@host:1/0", "unencoded / before its @"),
        ("redis://:p#w@host:1/0", "unencoded # before its @"),
        ("wasmfleet+redis://:p?w@host:1/0", "unencoded ? before its @"),
        ("redis://:p@w@host:1/0", "unencoded @ in its password"),
        ("redis://:p%w@host:1/0", "unencoded % in its password"),
        ("redis://a:1/0;redis://b:2/0", "several URLs"),
        ("redis://:secretpw@a:1,b:2/0", "several URLs"),
        ("redis://:p%2Fw@host:1/0", ""),
        ("redis://:p,w@host:1/0", ""),
        ("redis://host:1/0?ssl_cert_reqs=none", ""),
        ("", ""),
    ],
)
def test_what_a_url_cannot_mean_is_named_without_its_password(url: str, finding: str) -> None:
    found = list(url_checkups.examine({"WASMFLEET_RESULT_URL": url}))

    assert [finding in one.finding for one in found] == [True] * bool(finding)
    assert "secretpw" not in str(found)


def test_a_url_that_stops_the_settings_is_explained(alone: CommandLine) -> None:
    done = alone.with_settings(BROKER_URL="redis://:a/b@host:1/0").run("doctor")

    assert done.returncode == 1
    assert "write / in its password as %2F" in done.stdout
    assert "a/b" not in done.stdout


def test_what_is_not_compiled_yet_is_told_once(alone: CommandLine) -> None:
    fresh = alone.with_settings(DATA_DIR=str(alone.folder / "fresh"))

    told = findings(fresh.run("doctor", "--format", "json"))

    assert not [what for what in told if what.startswith("module ")]
    assert told["modules"] == ("warning", f"not compiled yet: {', '.join(sorted(modules.manifest()))}")


def test_a_write_ahead_log_that_a_reader_keeps_large_is_a_warning(alone: CommandLine) -> None:
    log = alone.folder / "data" / "results.sqlite"
    open_log(Settings(data_dir=log.parent)).close()
    with sqlite3.connect(log) as holder:
        holder.execute("SELECT * FROM results").fetchall()
        with log.with_name("results.sqlite-wal").open("ab") as waiting:
            waiting.truncate(300 << 20)  # a sparse file: as large as the real one would be
        told = findings(alone.run("doctor", "--format", "json"))
    holder.close()

    assert told["log"][0] == "warning"
    assert "300.0 MiB in its write-ahead log" in told["log"][1]


def test_a_server_that_cuts_subscribers_off_early_is_a_warning(alone: CommandLine, port: int) -> None:
    external = alone.with_settings(BROKER_URL=f"wasmfleet+redis://127.0.0.1:{port}/0")
    with Redis(port=port) as connection:
        usual = findings(external.run("doctor", "--format", "json"))
        connection.config_set("client-output-buffer-limit", "pubsub 1048576 0 0")
        low = findings(external.run("doctor", "--format", "json"))

    assert "results" not in usual
    assert low["results"][0] == "warning"
    assert "cuts off who lags by 1.0 MiB; results may have 64 MiB" in low["results"][1]
