"""What a coordinator does with operations: batches, chains, groups, chords, lanes, limits."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.installation import Installation, installation


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("coordinator"), TIME_LIMIT="2") as made:
        made.start_fleet("wasm", "python")
        yield made


def coordinate(fleet: Installation, code: str) -> Any:
    """Run a coordinator's program in a separate process, and return what it leaves in `answer`."""
    program = f"import json\nfrom wasmfleet.tasks import ast, digest, metrics, text\n{code}\nprint(json.dumps(answer))"
    arguments = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(arguments, env=fleet.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_batch_is_ordered_and_each_item_has_its_own_error(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
calls = [{"source": f"let a{n} = {n};", "filename": "a.js"} for n in range(2500)]
calls[1234] = {"source": "let a = ;", "filename": "a.ts"}
batch = ast.outline.many(calls)
items = list(batch)
answer = [len(batch), len(batch.task_ids), batch.done, [item.index for item in items] == list(range(2500)),
          [(item.index, item.error.code, item.error.place) for item in items if item.error]]
""",
    )

    assert answer == [2500, 3, 2500, True, [[1234, "InvalidSource", {"line": 1, "column": 9, "offset": 8}]]]


def test_a_batch_can_be_read_asynchronously(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
import asyncio
async def read():
    return [item.value async for item in digest.digest.many([{"data": b"abc"}, {"data": b""}])]
answer = asyncio.run(read())
""",
    )

    assert [value[:8] for value in answer] == ["ba7816bf", "e3b0c442"]


def test_a_batch_that_expired_says_so_item_by_item(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
batch = digest.digest.many([{"data": b"x"}] * 3, lane="wasm", expires=0)
answer = [item.error.code for item in batch]
""",
    )

    assert answer == ["RuntimeUnavailable"] * 3


def test_a_wrong_item_is_named_before_anything_is_published(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
from wasmfleet.workers.errors import InvalidArguments
try:
    digest.digest.many([{"data": b"x"}, {"data": "x"}])
except InvalidArguments as error:
    answer = error.message
""",
    )

    assert answer == "item 1: digest.digest: `data`: expected `bytes`, got `str`"


def test_chains_groups_and_chords_work_as_everywhere(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
from celery import chain, chord, group
chained = chain(text.hash.s("abc"), text.hash.s(algorithm="md5")).apply_async().get(timeout=30)
grouped = group(digest.digest.s(b"abc"), digest.digest.s(b"")).apply_async().get(timeout=30)
collected = chord([text.hash.s("a"), text.hash.s("b")])(metrics.aggregate.si({"a": [1.0, 3.0]})).get(timeout=30)
answer = [chained, [one[:8] for one in grouped], collected["a"]["mean"]]
""",
    )

    inner = hashlib.md5(b"78af5f94892f3950").hexdigest()  # the MD5 of the XXH3 of abc
    assert answer == [inner, ["ba7816bf", "e3b0c442"], 2.0]


def test_a_lane_is_kept_and_logged(fleet: Installation) -> None:
    ids = coordinate(
        fleet,
        """
calls = [digest.digest.apply_async((b"abc",), lane=lane) for lane in ("any", "wasm", "python")]
[call.get(timeout=30) for call in calls]
answer = [call.id for call in calls]
""",
    )

    rows = {row["task_id"]: (row["lane"], row["engine"]) for row in fleet.rows(*ids)}
    assert [rows[task_id] for task_id in ids] == [("any", "wasm"), ("wasm", "wasm"), ("python", "python")]


def test_a_row_says_what_was_run_when_and_on_what(fleet: Installation) -> None:
    task_id = coordinate(fleet, "call = digest.digest.delay(b'abc'); call.get(timeout=30); answer = call.id")

    [row] = fleet.rows(task_id)

    assert row["operation"] == "wasmfleet.digest.digest"
    assert len(row["module_sha256"]) == 64
    assert row["queued_at"] <= row["started_at"] <= row["finished_at"]
    assert row["wait_us"] >= 0
    assert row["run_us"] > 0
    assert (row["item"], row["attempt"], row["executions"], row["outcome"]) == (0, 1, 1, "ok")
    assert row["input_bytes"] > 3
    assert row["output_bytes"] > 64
    assert row["input_digest"]


def test_a_call_over_the_size_limit_is_refused_before_it_is_queued(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
from wasmfleet.workers.errors import InputTooLarge
try:
    digest.digest.delay(bytes(64 << 20))
except InputTooLarge as error:
    answer = error.message
""",
    )

    assert "WASMFLEET_MAX_INPUT allows 32 MiB" in answer


def test_a_batch_can_be_cancelled_while_it_waits(fleet: Installation) -> None:
    answer = coordinate(
        fleet,
        """
calls = [{"data": bytes(900_000), "algorithm": "md5"} for _ in range(60)]
batch = digest.digest.many(calls)
batch.cancel()
codes = [item.error.code if item.error else "done" for item in batch.results(timeout=60)]
answer = sorted(set(codes) - {"done"}), len(codes)
""",
    )

    assert answer[1] == 60
    assert set(answer[0]) <= {"Cancelled"}
