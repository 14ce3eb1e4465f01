"""Rows n, t, m: Flower dies, killed processes are started again, workers with another module version join."""

import contextlib
import hashlib
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.acceptance.up import broker_pid, pid_of, up
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet
from tests.conftest import compile_modules

_SOURCE = "const a = 1;\n" * 50


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_n_flower_stopped_or_killed_is_not_noticed(
    fleet: ChaosFleet, figures: Figures, how: signal.Signals
) -> None:
    fleet.start("broker")
    worker = fleet.start_worker("python")
    flower = fleet.start("flower")
    port = int(fleet.environment["WASMFLEET_FLOWER_PORT"])
    until(lambda: _listens(port), what="Flower listens", log=fleet.output)
    ids = fleet.publish(300, "chaos.nap", seconds=0.005)
    until(lambda: fleet.logged() > 20, what="tasks run")
    os.kill(flower, how)
    began = time.monotonic()

    more = fleet.publish(300, "chaos.nap", seconds=0.005)
    runs = fleet.settle([*ids, *more])
    figures(f"n  Flower {how.name}", lost=600 - len(runs), seconds=round(time.monotonic() - began, 1))
    assert runs == dict.fromkeys([*ids, *more], 1)
    assert fleet.workers()[0].pid == worker


@pytest.mark.parametrize(
    "words", ["worker --queues=wasmfleet.wasm", "worker --queues=wasmfleet.python", " flower "]
)
def test_t_what_the_procfile_started_is_started_again(
    fleet: ChaosFleet, figures: Figures, words: str
) -> None:
    with up(fleet):
        until(lambda: pid_of(fleet.data, words), what=words)
        others = {w for w in _PROCFILE if w != words}
        before = {w: pid_of(fleet.data, w) for w in others}
        dead, broker = pid_of(fleet.data, words), broker_pid(fleet.data)
        ids = fleet.publish(300, "ast.validate", lane="any", source=_SOURCE, filename="a.js")
        os.kill(dead, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: "was killed by SIGKILL; starts again" in fleet.output(), what=f"{words} is missed")
        until(lambda: pid_of(fleet.data, words) > dead, what=f"{words} again")
        took = time.monotonic() - killed

        runs = fleet.settle(ids)
        figures(f"t  {words.strip()} killed", lost=300 - len(runs), restarted_in_s=round(took, 1))
        assert runs.keys() == set(ids)
        assert {w: pid_of(fleet.data, w) for w in others} == before
        assert broker_pid(fleet.data) == broker
        assert fleet.call("digest.digest", data=b"abc").get(timeout=30)


_PROCFILE = (
    "worker --queues=wasmfleet.wasm",
    "worker --queues=wasmfleet.python",
    " flower ",
    "valkey-server",
)


def test_m_two_module_versions_serve_side_by_side(tmp_path: Path, figures: Figures) -> None:
    with chaos_fleet(tmp_path / "old") as old, chaos_fleet(tmp_path / "new") as new:
        digests = [_sha256(old), _another_version(new)]
        new.use_broker(old)
        old.start("broker")
        old.start_worker("wasm")
        ids: list[str] = []
        publishing = threading.Thread(
            target=lambda: ids.extend(
                old.publish(3000, "ast.validate", lane="wasm", source=_SOURCE, filename="a.js")
            )
        )
        publishing.start()
        until(lambda: old.logged() > 200, log=old.output)
        new.start_worker("wasm")
        until(lambda: new.logged() > 200, log=new.output)
        old.stop_worker()
        publishing.join()

        until(lambda: old.logged() + new.logged() >= 3000, seconds=60, what="all are logged")
        versions = [dict(fleet.read("SELECT task_id, module_sha256 FROM results")) for fleet in (old, new)]
        old.nothing_is_held()
        figures(
            "m  rolling upgrade",
            lost=3000 - len(versions[0] | versions[1]),
            old_version=len(versions[0]),
            new_version=len(versions[1]),
        )
        assert (versions[0] | versions[1]).keys() == set(ids)
        assert [set(found.values()) for found in versions] == [{digests[0]}, {digests[1]}]


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _sha256(fleet: ChaosFleet) -> str:
    return hashlib.sha256((fleet.package / "wasm_bin" / "ast.wasm").read_bytes()).hexdigest()


def _another_version(fleet: ChaosFleet) -> str:
    """Add a section without meaning to the module `ast`: only its digest changes, and is returned."""
    module = fleet.package / "wasm_bin" / "ast.wasm"
    name = b"version"
    before = _sha256(fleet)
    module.write_bytes(module.read_bytes() + bytes([0, len(name) + 2, len(name)]) + name + b"2")
    manifest = module.with_name("manifest.json")
    manifest.write_text(manifest.read_text().replace(before, _sha256(fleet)))
    compile_modules(fleet.environment)
    return _sha256(fleet)
