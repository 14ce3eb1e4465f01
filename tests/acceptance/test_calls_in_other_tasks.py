"""Operations called inside the tasks of another Celery app, whose fleet's broker is away."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import CommandLine
from tests.acceptance.installation import until
from tests.ports import free_port
from tests.stock.neighbour import Neighbour, stock

_WAYS = ("delay", "many", "by_options", "chained", "grouped", "a_chord", "by_name", "in_a_thread")


@pytest.fixture(scope="module", params=["prefork", "threads", "solo"])
def caller(
    request: pytest.FixtureRequest, fleet: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neighbour]:
    """A user's app with a worker; its tasks call operations, whose broker does not exist."""
    dead = f"redis://127.0.0.1:{free_port()}/0"
    folder = tmp_path_factory.mktemp(f"caller-{request.param}")
    url = fleet.run("url").stdout.strip()
    with stock(
        folder, url, app="caller_app", WASMFLEET_BROKER_URL=dead, WASMFLEET_DATA_DIR=str(folder / "data")
    ) as made:
        made.queue = f"caller-{request.param}"
        made.start_worker(f"--pool={request.param}", queues=made.queue)
        yield made


@pytest.mark.parametrize("task", ["called", "called_late"])
def test_the_users_task_sees_that_the_broker_is_away(caller: Neighbour, task: str) -> None:
    client = caller.client()

    sent = {way: client.send_task(f"caller_app.{task}", (way,), queue=caller.queue) for way in _WAYS}

    seen = {way: result.get(timeout=120) for way, result in sent.items()}
    assert seen == dict.fromkeys(_WAYS, "wasmfleet.workers.errors.BrokerUnavailable")


@pytest.mark.parametrize("task", ["uncaught", "uncaught_late"])
def test_what_the_users_task_does_not_catch_is_its_failure(caller: Neighbour, task: str) -> None:
    results = [
        caller.client().send_task(f"caller_app.{task}", (way,), queue=caller.queue)
        for way in ("delay", "many")
    ]

    until(lambda: all(result.ready() for result in results), seconds=60, log=caller.output)

    assert [result.state for result in results] == ["FAILURE"] * 2
    assert [type(result.result).__name__ for result in results] == ["BrokerUnavailable"] * 2
    assert "Reject" not in caller.output()


def test_a_call_in_its_own_process_needs_no_broker(caller: Neighbour) -> None:
    for way in ("directly", "at_once"):
        called = caller.client().send_task("caller_app.called", (way,), queue=caller.queue)
        assert called.get(timeout=60) == hashlib.sha256(b"abc").hexdigest()


_AT_ONCE = """
import json
from celery import chain, group
from caller_app import app, digest, echo
from wasmfleet.workers.app import app as fleet

app.conf.task_always_eager = True
shapes = {
    "chain of ours": chain(digest.digest.si(b"abc"), echo.s()),
    "chain of theirs": chain(echo.si(b"abc"), digest.digest.s()),
    "group": group(digest.digest.si(b"abc")),
}
came = {name: shape.apply().get() for name, shape in shapes.items()}
fleet.conf.task_always_eager = True
came["delay"] = digest.digest.delay(b"abc").get()
came["python"] = digest.digest.apply_async((b"abc",), lane="python").get()
came["many"] = [item.value for item in digest.digest.many([{"data": b"abc"}])]
wrong = digest.digest.delay("no bytes")
came["wrong"] = [wrong.state, type(wrong.result).__name__]
print(json.dumps(came))
"""


def test_calls_that_celery_runs_at_once_need_no_broker_and_leave_no_row(caller: Neighbour) -> None:
    right = hashlib.sha256(b"abc").hexdigest()

    came = caller.run(_AT_ONCE)

    assert came.pop("wrong") == ["FAILURE", "InvalidArguments"]
    assert came.pop("group") == came.pop("many") == [right]
    assert came == dict.fromkeys(came, right)
    assert not (caller.folder / "data" / "results.sqlite").exists()
