"""Hostile guest modules in real workers: their callers get typed errors, and the worker goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, code_of, installation


@pytest.fixture(scope="module")
def fleet(guests: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hostile")
    with installation(folder, MODULES=str(guests), TIME_LIMIT="0.5", MEMORY_LIMIT="256") as made:
        made.start_fleet("wasm")
        yield made


def worker_pid(fleet: Installation) -> int:
    [worker] = fleet.workers()
    return worker.pid


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("spin", "DeadlineExceeded"),
        ("grow", "MemoryLimitExceeded"),
        ("five_gib", "SandboxTrap"),
        ("recurse", "InputTooDeep"),
        ("bad_pointer", "HostileReply"),
        ("bad_length", "HostileReply"),
        ("load_outside", "SandboxTrap"),
    ],
)
def test_a_misdeed_is_the_callers_error_and_the_next_task_is_right(
    fleet: Installation, operation: str, error: str
) -> None:
    before = worker_pid(fleet)
    result = fleet.call(f"hostile.{operation}", data=b"x")

    with pytest.raises(Exception, match=r".") as raised:
        result.get(timeout=30)

    assert code_of(raised.value) == error
    assert fleet.call("hostile.echo", data=b"right").get(timeout=30) == b"right"
    assert worker_pid(fleet) == before
    [row] = fleet.rows(result.id)
    assert (row["outcome"], row["error_code"], row["executions"]) == ("error", error, 1)


def test_traps_never_move_anything_to_the_other_lane(fleet: Installation) -> None:
    results = [fleet.call("hostile.unreachable", data=b"x") for _ in range(50)]
    for result in results:
        with pytest.raises(Exception, match="unreachable"):
            result.get(timeout=30)

    rows = fleet.rows(*(result.id for result in results))

    assert {(row["engine"], row["handed_over"]) for row in rows} == {("wasm", None)}


def test_one_trapping_item_among_a_thousand_is_one_row_among_a_thousand(fleet: Installation) -> None:
    calls = [{"data": b"echo"}] * 1000
    calls[333] = {"data": "not bytes"}  # type: ignore[dict-item]
    result = fleet.client().signature("wasmfleet.batch", args=("hostile.echo", calls)).apply_async()

    answers = result.get(timeout=60)

    assert [index for index, answer in enumerate(answers) if answer[0]] == [333]
    assert answers[333][1] == "InvalidArguments"
    rows = fleet.rows(result.id)
    assert sorted(row["item"] for row in rows) == list(range(1000))
    assert [row["item"] for row in rows if row["outcome"] == "error"] == [333]
