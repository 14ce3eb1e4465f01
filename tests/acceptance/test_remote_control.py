"""Orders that anybody at the broker can send to a worker: it obeys or refuses each, and serves on."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.worker.control import Panel
from redis import Redis

from tests.acceptance.installation import until
from tests.acceptance.orders import HOW, MALFORMED, NO_BROADCASTS, NO_ORDERS, OBEYED, REFUSED
from tests.chaos.fleet import ChaosFleet, chaos_fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    """A fleet with one worker, which logs in to its broker with a password as every worker does."""
    with chaos_fleet(tmp_path_factory.mktemp("remote")) as made:
        made.start_fleet("python")
        yield made


@pytest.fixture(scope="module")
def client(fleet: ChaosFleet) -> Celery:
    made = fleet.client()
    made.conf.accept_content = ["json", "msgpack"]
    return made


@pytest.fixture(autouse=True)
def _serves_on(fleet: ChaosFleet, client: Celery) -> Iterator[None]:
    """Check after each test that the same process still serves a call and has logged no traceback."""
    [before] = fleet.workers()
    yield
    result = client.signature("wasmfleet.chaos.nap", kwargs={"seconds": 0.0}, queue="wasmfleet.python")
    assert result.apply_async().get(timeout=20) == 0, fleet.output()
    assert [worker.pid for worker in fleet.workers()] == [before.pid]
    assert "Traceback" not in fleet.output()


def test_every_order_that_celery_knows_is_decided() -> None:
    assert set(Panel.data) == set(OBEYED) | set(REFUSED)


def test_an_order_that_harms_nobody_is_obeyed(fleet: ChaosFleet, client: Celery) -> None:
    answers = {order: ask(fleet, client, order, given) for order, given in OBEYED.items()}

    assert {order: a for order, a in answers.items() if isinstance(a, dict) and "error" in a} == {}
    password = urlsplit(fleet.url).password
    assert password
    assert password not in json.dumps(answers)


def test_any_other_order_is_refused_with_what_allows_it_and_one_line(
    fleet: ChaosFleet, client: Celery
) -> None:
    for order, given in REFUSED.items():
        before = _lines(fleet)
        told = f"the remote command {order!r} is not allowed here; "

        assert ask(fleet, client, order, given) == {"error": told + HOW}
        assert len(_lines(fleet)) == len(before) + 1


def test_a_running_call_is_ended_by_nobody(fleet: ChaosFleet, client: Celery) -> None:
    [id] = fleet.publish(1, "chaos.nap", seconds=3.0)
    until(lambda: id in json.dumps(ask(fleet, client, "active", {})), log=fleet.output)

    answer = ask(fleet, client, "revoke", {"task_id": [id], "terminate": True, "signal": "SIGKILL"})

    assert answer == {"error": "to terminate running calls is not allowed here; " + HOW}
    assert ask(fleet, client, "revoke", {"task_id": [id]}) == {"ok": "1 call is flagged as revoked"}
    assert fleet.settle([id]) == {id: 1}
    assert [row["outcome"] for row in fleet.rows(id)] == ["ok"]


def test_a_revoked_call_that_has_not_begun_is_withdrawn(fleet: ChaosFleet, client: Celery) -> None:
    id = str(uuid.uuid4())
    ask(fleet, client, "revoke", {"task_id": id})

    call = client.signature("wasmfleet.chaos.nap", kwargs={"seconds": 0.0}, queue="wasmfleet.python")
    result = call.apply_async(task_id=id)

    with pytest.raises(TaskRevokedError):
        result.get(timeout=20)
    assert [row["outcome"] for row in fleet.rows(id)] == ["revoked"]


def test_an_order_with_odd_arguments_is_answered_with_what_is_wrong(
    fleet: ChaosFleet, client: Celery
) -> None:
    for order, arguments in MALFORMED:
        answer = ask(fleet, client, order, arguments)
        assert list(answer) == ["error"], (order, str(arguments)[:80])


def test_what_is_no_order_is_dropped(fleet: ChaosFleet, client: Celery) -> None:
    for body in NO_ORDERS:
        _broadcast(fleet, _message(json.dumps(body)))
    for clock in (-1, 10**400, "x", [], None, 1.5):
        _broadcast(fleet, _message('{"method": "ping"}', headers={"clock": clock}))
    for content in (
        {"body": None},
        {"content-type": "application/x-python-serialize"},
        {"content-type": "x"},
    ):
        _broadcast(fleet, _message('{"method": "ping"}') | content)
    _broadcast(fleet, _message("[" * 100_000))

    assert ask(fleet, client, "clock", {})["clock"] < 1 << 53
    assert fleet.quarantine() == []
    assert "Traceback" not in fleet.output()


def test_what_is_no_broadcast_is_dropped_with_one_line(fleet: ChaosFleet) -> None:
    packed = json.dumps(_message("x", headers={"compression": "application/x-gzip"})).encode()
    for raw in (*NO_BROADCASTS, packed):
        before = fleet.output().count("a broadcast is dropped: ")

        with Redis.from_url(fleet.url) as broker:
            assert broker.publish("/0.celery.pidbox", raw) == 1

        until(lambda n=before: fleet.output().count("a broadcast is dropped: ") == n + 1, log=fleet.output)


def test_a_pattern_that_never_ends_matching_holds_nobody_up(fleet: ChaosFleet, client: Celery) -> None:
    started = time.monotonic()

    for matcher, pattern in (("pcre", "(.*)*" * 20 + "!"), ("glob", "*a" * 100)):
        order = {"method": "ping", "pattern": pattern, "matcher": matcher}
        _broadcast(fleet, _message(json.dumps(order)))

    assert ask(fleet, client, "ping", {}) == {"ok": "pong"}
    assert time.monotonic() - started < 5


def test_many_revoked_ids_neither_block_nor_fill_a_worker(fleet: ChaosFleet, client: Celery) -> None:
    for _ in range(12):
        ids = [uuid.uuid4().hex for _ in range(10_000)]
        _broadcast(fleet, _message(json.dumps({"method": "revoke", "arguments": {"task_id": ids}})))

    def known() -> Any:
        # A heartbeat that was reading what is noted may put older ids last; the next one does not.
        listed = ask(fleet, client, "revoked", {})
        return listed if listed[-1] in ids else None

    assert len(json.dumps(until(known, log=fleet.output))) <= 1 << 20


def test_a_worker_that_may_obey_all_does_and_the_doctor_warns_of_it(
    fleet: ChaosFleet, client: Celery
) -> None:
    pid = fleet.start_with("python", {"WASMFLEET_REMOTE_CONTROL": "all"})
    [name] = until(lambda: [worker.worker for worker in fleet.workers() if worker.pid == pid])
    warned = fleet.command("doctor")

    client.control.shutdown(destination=[name])

    until(lambda: pid not in {worker.pid for worker in fleet.workers()}, log=fleet.output)
    assert f"warning worker {name}: python; anybody who can use the broker may stop it" in warned.stdout


def ask(fleet: ChaosFleet, client: Celery, order: str, arguments: Any) -> Any:
    """Send an order to the worker, and return its answer."""
    [worker] = fleet.workers()
    answers = client.control.broadcast(
        order, arguments=arguments, destination=[worker.worker], reply=True, timeout=10
    )
    assert answers, fleet.output()
    return answers[0][worker.worker]


def _lines(fleet: ChaosFleet) -> list[str]:
    return [line for line in fleet.output().splitlines() if "wasmfleet.remote" in line]


def _message(body: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers or {},
        "properties": {"delivery_tag": str(uuid.uuid4()), "delivery_info": {"exchange": "celery.pidbox"}},
    }


def _broadcast(fleet: ChaosFleet, message: dict[str, Any]) -> None:
    with Redis.from_url(fleet.url) as broker:
        assert broker.publish("/0.celery.pidbox", json.dumps(message)) == 1
