"""Each hostile guest of the zoo in a live worker: its call gets a typed error and a row, and the worker works on."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.installation import Installation, code_of, installation, until
from tests.security import odd_files
from tests.security.batches import BATCHES
from tests.security.lies import REPLIES
from tests.security.misdeeds import CALLS, MODULES
from tests.security.refusals import REFUSALS
from tests.security.zoo import OK, REFUSED, Beast, module, zoo

LIVE = [*MODULES, *CALLS, *REPLIES, *BATCHES]
_CHILD_MIB, _MAIN_MIB = 800, 200
_LONGEST_S = 12.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "modules").mkdir()
    (folder / "modules" / "zoo.wasm").write_bytes(zoo([*CALLS, *REPLIES, *BATCHES]))
    for beast in [*REFUSALS, *LIVE]:
        if beast.is_module:
            (folder / "modules" / f"{beast.name}.wasm").write_bytes(module(beast))
    odd_files.make(folder / "modules")
    settings = {"TIME_LIMIT": "0.5", "MEMORY_LIMIT": "256", "MAX_OUTPUT": "24"}
    with installation(folder, MODULES=str(folder / "modules"), **settings) as made:
        made.start_fleet("wasm")
        yield made


def processes(fleet: Installation) -> list[int]:
    """Return the pids of the worker and its child."""
    [worker] = fleet.workers()
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [worker.pid, *until(lambda: list(map(int, children.read_text().split())), what="a child")]


class Visit:
    """One hostile guest called in the live worker, and a harmless call after it."""

    def __init__(self, fleet: Installation, beast: Beast) -> None:
        self.beast = beast
        client = fleet.client()
        if beast.items > 1:
            calls: list[Any] = [{}] * beast.items
            self.call = client.signature("wasmfleet.batch", args=(f"zoo.{beast.name}", calls)).apply_async()
        elif beast.is_module:
            self.call = fleet.call(f"{beast.name}.run", data=b"hello")
        else:
            self.call = fleet.call(f"zoo.{beast.name}", **({"data": b"x"} if beast.takes_bytes else {}))
        self.tame = fleet.call("zoo.echo", data=b"right")


@pytest.fixture(scope="module")
def before(fleet: Installation) -> list[int]:
    assert fleet.call("zoo.echo", data=b"ready").get(timeout=30) == b"ready"
    return processes(fleet)


@pytest.fixture(scope="module")
def visits(fleet: Installation, before: list[int]) -> dict[str, Visit]:
    return {beast.name: Visit(fleet, beast) for beast in LIVE}


@pytest.mark.parametrize("beast", LIVE, ids=lambda beast: beast.name)
def test_a_hostile_guest_costs_its_call_a_typed_error_and_nothing_else(
    fleet: Installation, visits: dict[str, Visit], beast: Beast
) -> None:
    visit = visits[beast.name]

    answer = visit.call.get(timeout=60, propagate=False)

    codes = [item[1] if item[0] else OK for item in answer] if beast.items > 1 else [code(answer)]
    expected = [beast.answers.get(index, beast.expects) for index in range(beast.items)]
    assert codes == expected, beast.tries
    rows = sorted(fleet.rows(visit.call.id), key=lambda row: row["item"])
    assert [row["error_code"] or OK for row in rows] == expected
    assert {row["executions"] for row in rows} == {1}
    assert max(row["finished_at"] - row["started_at"] for row in rows) < _LONGEST_S
    assert visit.tame.get(timeout=30) == b"right"


def code(answer: Any) -> str:
    return code_of(answer) if isinstance(answer, Exception) else OK


@pytest.mark.parametrize("beast", REFUSALS, ids=lambda beast: beast.name)
def test_a_module_with_a_wrong_interface_is_refused_with_its_reason(
    fleet: Installation, beast: Beast
) -> None:
    def state() -> tuple[str, str]:
        [worker] = fleet.workers()
        return worker.modules.get(beast.name, ("", ""))

    until(lambda: state()[0] not in ("", "compiling"), what=f"a verdict on {beast.name}", log=fleet.output)

    assert (state()[0], beast.expects.removeprefix(REFUSED) in state()[1]) == ("failed", True), state()


def test_the_worker_and_its_child_are_the_same_and_have_not_swollen(
    fleet: Installation, visits: dict[str, Visit], before: list[int]
) -> None:
    for visit in visits.values():
        visit.tame.get(timeout=60)

    assert processes(fleet) == before
    main_mib, child_mib = map(peak_mib, before)
    assert (main_mib < _MAIN_MIB, child_mib < _CHILD_MIB) == (True, True), (main_mib, child_mib)


def peak_mib(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) >> 10


def test_no_guest_moves_a_cursor_and_no_address_of_the_host_is_told(
    fleet: Installation, visits: dict[str, Visit]
) -> None:
    for visit in visits.values():
        visit.tame.get(timeout=60)
    rows = fleet.rows(*(visit.call.id for visit in visits.values()))

    told = fleet.output() + "".join(str(row["error_message"]) for row in rows)
    assert "0x7f" not in told
    assert "\x1b" not in fleet.output()


def test_files_that_are_no_modules_stop_neither_boot_nor_heartbeat_and_the_doctor_tells_them(
    fleet: Installation, before: list[int], tmp_path: Path
) -> None:
    reasons = odd_files.make(tmp_path)

    doctor = subprocess.run(
        [sys.executable, "-m", "wasmfleet", "doctor"],
        env=fleet.environment | {"COLUMNS": "500"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    told = {name: f"module {name} is refused: " in fleet.output() for name in reasons}
    assert told == dict.fromkeys(reasons, True)
    assert {name: reason in doctor.stdout for name, reason in reasons.items()} == dict.fromkeys(reasons, True)
    assert time.time() - fleet.workers()[0].sent_at < 3
