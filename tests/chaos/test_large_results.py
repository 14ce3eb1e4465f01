"""Row x: results so large that the server closes the connection of who listens for them."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_BYTES = 30 << 20
_COUNT = 10
#: Ten calls that one process waits for, in the order given.
_WAIT = """
import json, sys, time
from celery.result import ResultSet
from wasmfleet.workers.calls.catalogue import find
size, count = json.load(sys.stdin)
calls = [find("chaos.letters").apply_async(kwargs={"size": size}, lane="python") for _ in range(count)]
began = time.monotonic()
lengths = [len(value) for value in ResultSet(calls).join_native(timeout=120)]
print(json.dumps([lengths, time.monotonic() - began]))
"""
_MANY = """
import json, sys, time
from wasmfleet.workers.calls import batch
from wasmfleet.workers.calls.catalogue import find
size, count = json.load(sys.stdin)
batch.CHUNK_ITEMS = 1  # a message a call, as if each had a full chunk's arguments
began = time.monotonic()
items = find("chaos.letters").many([{"size": size}] * count, lane="python").results(timeout=120)
print(json.dumps([[len(item.value) for item in items], time.monotonic() - began]))
"""
_CHORD = """
import json, sys, time
from celery import chord
from wasmfleet.workers.calls.catalogue import find
size, count = json.load(sys.stdin)
size //= 12  # the body's arguments, which are all of them, fit into one message
letters, lengths = find("chaos.letters"), find("chaos.lengths")
began = time.monotonic()
found = chord([letters.s(size=size).set(lane="python") for _ in range(count)], lengths.s().set(lane="python"))
print(json.dumps([found.apply_async().get(timeout=120), time.monotonic() - began]))
"""
#: A client without this package, which knows the operation by its name.
_STOCK = """
import json, sys, time
from celery import Celery
from celery.result import ResultSet
size, count, url = json.load(sys.stdin)
app = Celery(broker=url, backend=url)
calls = [
    app.signature("wasmfleet.chaos.letters", kwargs={"size": size}, queue="wasmfleet.python").apply_async()
    for _ in range(count)
]
began = time.monotonic()
lengths = [len(value) for value in ResultSet(calls).join_native(timeout=120)]
print(json.dumps([lengths, time.monotonic() - began]))
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    """A fleet of four children, whose server keeps a subscriber for whom 32 MiB wait no longer than Valkey's own."""
    with chaos_fleet(tmp_path_factory.mktemp("large"), CONCURRENCY="4", TIME_LIMIT="60") as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        made.start_worker("python")
        yield made


def _cut(fleet: ChaosFleet) -> int:
    """Return how many clients the server has closed because too much waited for them."""
    with Redis.from_url(fleet.admin_url) as server:
        return int(server.info("stats")["client_output_buffer_limit_disconnections"])


@pytest.mark.parametrize(
    "code", [_WAIT, _MANY, _CHORD, _STOCK], ids=["calls", "many", "chord", "stock client"]
)
def test_x_ten_results_of_30_mib_arrive_at_one_subscriber(
    fleet: ChaosFleet, figures: Figures, code: str, request: pytest.FixtureRequest
) -> None:
    wanted = [_BYTES, _COUNT] + ([fleet.url] if code is _STOCK else [])
    before = _cut(fleet)

    lengths, took_s = json.loads(fleet.run(code, wanted))

    figures(
        f"x  {_COUNT} results of 30 MiB: {request.node.callspec.id}",
        arrived=len(lengths),
        seconds=round(took_s, 1),
        subscribers_cut=_cut(fleet) - before,
    )
    assert lengths == [_BYTES // 12 if code is _CHORD else _BYTES] * _COUNT


_SMALL = """
import json, sys, time
from celery.result import ResultSet
from wasmfleet.workers.calls.catalogue import find
count = json.load(sys.stdin)
calls = [find("chaos.nap").apply_async(kwargs={"seconds": 0.01}, lane="python") for _ in range(count)]
began = time.monotonic()
print(json.dumps([len(ResultSet(calls).join_native(timeout=60)), time.monotonic() - began]))
"""


def test_x_what_was_published_while_a_subscriber_was_away_is_read(
    fleet: ChaosFleet, figures: Figures
) -> None:
    with ThreadPoolExecutor(1) as pool, Redis.from_url(fleet.admin_url) as server:
        answer, cuts = pool.submit(fleet.run, _SMALL, 600), 0
        while not answer.done():
            cuts += int(server.client_kill_filter(_type="pubsub"))
            time.sleep(0.02)
        arrived, took_s = json.loads(answer.result())

    figures(
        "x  600 results, subscriber cut every 20 ms", arrived=arrived, cuts=cuts, seconds=round(took_s, 1)
    )
    assert arrived == 600
    assert cuts > 10
    assert took_s < 30


def test_x_a_stock_client_gets_a_large_result_of_somebody_elses_call(
    fleet: ChaosFleet, figures: Figures
) -> None:
    fleet.publish(4, "chaos.nap", seconds=8.0)  # all children are busy until the client waits
    [id] = fleet.publish(1, "chaos.letters", size=1_000_000)
    waited_for = fleet.client().AsyncResult(id)
    assert waited_for.state == "PENDING"

    found = waited_for.get(timeout=60)

    [(finished_at,)] = fleet.read("SELECT finished_at FROM results WHERE task_id = ?", id)
    figures("x  1 MB by id, stock client", seconds_after_its_end=round(time.time() - finished_at, 1))
    assert len(found) == 1_000_000
