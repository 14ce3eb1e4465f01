"""Row aa: a host that gives little. The fleet works within that, or the sandbox's lane is out with its reason."""

import os
import resource
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet, children
from tests.needs import need
from wasmfleet.config.settings import MIB

_LIMIT_MIB = 512  # WASMFLEET_MEMORY_LIMIT here
_CGROUP_MIB = 448
_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
_NO_ROOM = "MiB address space, "


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ChaosFleet]:
    """A fleet whose broker and plain-Python worker run; guests may have 512 MiB."""
    with chaos_fleet(tmp_path, MEMORY_LIMIT=str(_LIMIT_MIB)) as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        made.start_worker("python")
        yield made


def engine_of(fleet: ChaosFleet) -> tuple[str, str]:
    """Send a call to the lane any; return which engine served it and why it was handed over."""
    result = fleet.call("digest.digest", data=b"abc")
    assert result.get(timeout=30) == _ABC
    [row] = fleet.rows(result.id)
    assert row["outcome"] == "ok"
    return row["engine"], row["handed_over"] or ""


def reasons(fleet: ChaosFleet, state: str) -> set[str]:
    """Return what the accelerated worker's heartbeat says of its modules in this state."""
    [worker] = [worker for worker in fleet.workers() if worker.role == "wasm"]
    return {reason for found, reason in worker.modules.values() if found == state}


def allow(pids: list[int], address_space: int) -> None:
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_AS, (address_space, resource.RLIM_INFINITY))


def address_space_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def test_aa_a_small_address_space_takes_the_lane_out_until_it_is_larger(
    fleet: ChaosFleet, figures: Figures
) -> None:
    need("unshare")
    worker = fleet.start("wasm", before=("prlimit", f"--as={_LIMIT_MIB * MIB}:"))
    until(lambda: len(fleet.workers()) == 2, what="its heartbeat", log=fleet.output)

    # Until it hears of an accelerated worker, the plain-Python one takes the lane any itself and says no reason.
    engine, why = until(lambda: (found := engine_of(fleet))[1] and found, what="a call is handed over")
    waiting = fleet.call("digest.digest", lane="wasm", data=b"abc")

    assert (engine, _NO_ROOM in why) == ("python", True), why
    until(
        lambda: any(_NO_ROOM in reason for reason in reasons(fleet, "failed")), what="the heartbeat says so"
    )
    assert reasons(fleet, "ready") == set()
    said = fleet.command("doctor")
    assert said.returncode == 1
    assert _NO_ROOM in said.stdout, said.stdout
    assert not waiting.ready()

    allow([worker, *children(worker)], resource.RLIM_INFINITY)
    assert waiting.get(timeout=20) == _ABC
    assert fleet.rows(waiting.id)[0]["engine"] == "wasm"
    until(lambda: engine_of(fleet)[0] == "wasm", seconds=10, what="back to the sandbox")
    until(lambda: reasons(fleet, "failed") == set(), what="the heartbeat says ready", log=fleet.output)
    figures("aa small address space", given_MiB=_LIMIT_MIB, reason=repr(why))


def test_aa_an_address_space_for_one_guest_is_enough(fleet: ChaosFleet, figures: Figures) -> None:
    need("unshare")
    given = (_LIMIT_MIB + 640) * MIB
    fleet.start("wasm", before=("prlimit", f"--as={given}:"))
    until(lambda: len(fleet.workers()) == 2, what="its heartbeat", log=fleet.output)

    until(lambda: engine_of(fleet)[0] == "wasm", what="the sandbox serves")
    served = {engine_of(fleet) for _ in range(20)}
    large = fleet.call("compression.compress", data=os.urandom(20 * MIB), codec="gzip", lane="wasm")

    assert {why for _, why in served} == {""}  # the plain-Python worker may still have taken some itself
    assert len(large.get(timeout=60)) > 20 * MIB
    assert reasons(fleet, "failed") == set()
    figures("aa address space for one guest", given_MiB=given // MIB, limit_MiB=_LIMIT_MIB)


def test_aa_what_the_host_takes_back_is_no_error_of_a_call(fleet: ChaosFleet, figures: Figures) -> None:
    worker = fleet.start_worker("wasm")
    until(lambda: engine_of(fleet)[0] == "wasm", what="the sandbox serves")
    before = {child: address_space_of(child) for child in children(worker)}
    for child, size in before.items():
        allow([child], size + 64 * MIB)

    engine, why = engine_of(fleet)
    waiting = fleet.call("digest.digest", lane="wasm", data=b"abc")

    assert (engine, _NO_ROOM in why) == ("python", True), why
    until(lambda: fleet.queued() + fleet.held() > 0, what="it waits")
    assert not waiting.ready()
    allow(list(before), resource.RLIM_INFINITY)
    assert waiting.get(timeout=20) == _ABC
    figures("aa address space taken back", reason=repr(why))


def _in_mounts(commands: str) -> tuple[str, ...]:
    """Return a command that starts another one in mounts of its own, which these shell commands have changed."""
    need("unshare")
    script = f'mount --make-rprivate / && {commands} && exec "$@"'
    return ("unshare", "--mount", "sh", "-ec", script, "sh")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has mounts of its own")
@pytest.mark.parametrize(
    ("what", "commands"),
    [
        (
            "read-only root",
            "mount -t tmpfs none /var/tmp && mount --bind {data} {data} && mount -o remount,bind,ro /",
        ),
        ("no /proc", "mount -t tmpfs none /proc"),
    ],
)
def test_aa_without_a_writable_root_or_proc_the_sandbox_serves(
    fleet: ChaosFleet, figures: Figures, what: str, commands: str
) -> None:
    fleet.start("wasm", before=_in_mounts(commands.format(data=fleet.data)))
    until(lambda: len(fleet.workers()) == 2, what="its heartbeat", log=fleet.output)

    until(lambda: engine_of(fleet)[0] == "wasm", seconds=90, what="the sandbox serves", log=fleet.output)
    until(lambda: reasons(fleet, "failed") == set(), what="its heartbeat says ready", log=fleet.output)
    figures(f"aa {what}", served_by="the sandbox")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A control group (version 1 or 2) that limits memory, and that this test may put processes into."""
    version_1 = Path("/sys/fs/cgroup/memory")
    place = (version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")) / f"wasmfleet-{uuid.uuid4().hex}"
    try:
        place.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    limit = place / ("memory.limit_in_bytes" if version_1.is_dir() else "memory.max")
    try:
        limit.write_text(str(_CGROUP_MIB * MIB))
        yield place
    except OSError as error:
        pytest.skip(f"control groups do not limit memory here: {error}")
    finally:
        until(lambda: not (place / "cgroup.procs").read_text().strip(), what="its processes have ended")
        place.rmdir()


_GLUTTON = """(module
  (@custom "wasmfleet.operations" "abi 1\\neat\\n")
  (memory (export "memory") 2)
  (func (export "reserve") (param i32) (result i32) (i32.const 1024))
  (func (export "call") (param i32 i32) (result i64) (local $at i32)
    (loop $eat
      (local.set $at (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const -1)) (then unreachable))
      (memory.fill (i32.shl (local.get $at) (i32.const 16)) (i32.const 1) (i32.const 1048576))
      (br $eat))
    (i64.const 0)))"""


def test_aa_in_a_small_control_group_a_call_that_wants_more_gets_its_error(
    cgroup: Path, tmp_path: Path, figures: Figures
) -> None:
    """The limit of a guest would be larger than the group. A call that uses less is served; none kills a process."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "glutton.wasm").write_bytes(wasmtime.wat2wasm(_GLUTTON))
    enter = ("sh", "-ec", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh")
    with chaos_fleet(tmp_path, MEMORY_LIMIT=str(_LIMIT_MIB), MODULES=str(modules)) as fleet:
        fleet.start("broker")
        until(fleet.answers, what="the broker answers")
        fleet.start("wasm", before=enter)
        until(lambda: len(fleet.workers()) == 1, what="its heartbeat", log=fleet.output)

        served = engine_of(fleet)
        result = fleet.call("glutton.eat", lane="wasm", data=b"x")
        until(lambda: fleet.rows(result.id), seconds=60, what="its row", log=fleet.output)

        [row] = fleet.rows(result.id)
        assert served == ("wasm", "")
        assert (row["error_code"], row["executions"]) == ("MemoryLimitExceeded", 1), row
        assert engine_of(fleet) == ("wasm", "")
        told = fleet.command("doctor").stdout
        assert f"its cgroup has {_CGROUP_MIB} MiB of memory" in told, told
        figures("aa small control group", given_MiB=_CGROUP_MIB, too_large_a_call=row["error_message"])
