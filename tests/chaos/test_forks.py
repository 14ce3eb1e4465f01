"""Row w: a client that forks, or goes on in threads, greenlets or asyncio, after its first result."""

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_CHILDREN = 8
_CALLS = 50
#: Each child makes its calls with arguments of its own, so that a result that came to the wrong one is seen.
_PREAMBLE = """
import json, multiprocessing, os, sys, threading, time
from wasmfleet.workers.calls.catalogue import find
count, calls = json.load(sys.stdin)
letters = find("chaos.letters")

late = []  # seconds of each call that took so long that its result was found by a look into the store, not heard of

def timed(began):
    if time.monotonic() - began > 2.5:
        late.append(time.monotonic() - began)

def one(size):
    began = time.monotonic()
    found = letters.apply_async(kwargs={"size": size}, lane="python").get(timeout=20)
    timed(began)
    return len(found) == size

def work(number):
    late.clear()
    arrived = 0
    for call in range(calls):
        try:
            arrived += one(1000 * number + call)
        except Exception as error:
            print(number, type(error).__name__, error, file=sys.stderr)
    return [arrived, len(late)]

assert one(7)
"""
#: Fork as a prefork server does, while the parent goes on with calls of its own in another thread.
_SERVER = """
counted, pipes = [], []
beside = threading.Thread(target=lambda: counted.append(work(90)))
beside.start()
waiting = letters.apply_async(kwargs={"size": 5}, lane="python")
for number in range(count):
    read, write = os.pipe()
    if os.fork() == 0:
        kept = len(waiting.get(timeout=20)) == 5  # a call that the parent made
        os.write(write, json.dumps(work(number) if kept else [-1, 0]).encode())
        os._exit(0)
    os.close(write)
    pipes.append(read)
for read in pipes:
    counted.append(json.loads(os.read(read, 100)))
beside.join()
print(json.dumps(counted))
"""
_PROCESSES = """
def forked(results):
    fork = multiprocessing.get_context("fork")
    with fork.Pool(count) as pool:
        results += pool.map(work, range(count))

counted = []
thread = threading.Thread(target=forked, args=(counted,))
thread.start()
thread.join()
forked(counted)
print(json.dumps(counted))
"""
_THREADS = """
from concurrent.futures import ThreadPoolExecutor

def threaded(number):
    with ThreadPoolExecutor(4) as pool:
        arrived = sum(pool.map(one, range(1000 * number, 1000 * number + calls)))
    return [arrived, len(late)]

fork = multiprocessing.get_context("fork")
with fork.Pool(count) as pool:
    print(json.dumps(pool.map(threaded, range(count))))
"""
_ASYNCIO = """
import asyncio

async def some(number):
    began, sizes = time.monotonic(), range(1000 * number, 1000 * number + calls)
    batch = letters.many([{"size": size} for size in sizes], lane="python")
    arrived = sum([len(item.value) == size for size, item in zip(sizes, [item async for item in batch])])
    timed(began)
    return [arrived, len(late)]

def run(number):
    return asyncio.run(some(number))

assert run(0)[0] == calls
fork = multiprocessing.get_context("fork")
with fork.Pool(count) as pool:
    print(json.dumps(pool.map(run, range(count))))
"""
_GEVENT = """
import gevent

def spawned(number):
    tasks = [gevent.spawn(one, size) for size in range(1000 * number, 1000 * number + calls)]
    gevent.joinall(tasks, timeout=60)
    arrived = sum(bool(task.value) for task in tasks)
    late.clear()  # so many at once take their time
    return [arrived, len([one(size) for size in range(5)]) and len(late)]

assert spawned(50)[0] == calls
late.clear()
pipes = []
for number in range(count):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, json.dumps(spawned(number)).encode())
        os._exit(0)
    os.close(write)
    pipes.append(read)
counted = [spawned(60)]
print(json.dumps(counted + [json.loads(os.read(read, 100)) for read in pipes]))
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("forks"), CONCURRENCY="2") as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        made.start_worker("python")
        yield made


@pytest.mark.parametrize(
    ("code", "forks"),
    [
        (_SERVER, _CHILDREN + 1),
        (_PROCESSES, 2 * _CHILDREN),
        (_THREADS, _CHILDREN),
        (_ASYNCIO, _CHILDREN),
        (_GEVENT, _CHILDREN + 1),
    ],
    ids=["prefork server", "multiprocessing, also from a thread", "threads", "asyncio", "gevent"],
)
def test_w_each_result_arrives_where_it_was_asked_for(
    fleet: ChaosFleet, figures: Figures, code: str, forks: int, request: pytest.FixtureRequest
) -> None:
    patch = ""
    if code is _GEVENT:
        pytest.importorskip("gevent")
        patch = "from gevent import monkey; monkey.patch_all()\n"

    told = json.loads(fleet.run(patch + _PREAMBLE + code, [_CHILDREN, _CALLS]))

    arrived, late = [results for results, _ in told], sum(late for _, late in told)
    figures(
        f"w  after a fork: {request.node.callspec.id}",
        processes=len(arrived),
        results=sum(arrived),
        missing=forks * _CALLS - sum(arrived),
        late=late,
    )
    assert arrived == [_CALLS] * forks
    assert late <= forks * _CALLS // 20  # with a shared socket every third; a busy machine may delay a few
