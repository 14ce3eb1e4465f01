"""The queue `celery`, to which calls go that name none: a fleet takes its own from it, and nobody waits unwarned."""

import logging
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery
import pytest
from redis import Redis

from tests.acceptance.conftest import CommandLine
from tests.acceptance.installation import until
from tests.stock.neighbour import Neighbour, stock
from wasmfleet.config.settings import Settings, SettingsError, load
from wasmfleet.workers.fleet_state import neglected

_THEIRS, _OURS = "stock_app.add", "wasmfleet.digest.digest"


@pytest.fixture(scope="module")
def url(fleet: CommandLine) -> str:
    return fleet.run("url").stdout.strip()


@pytest.fixture
def client(url: str) -> Iterator[celery.Celery]:
    """A client that names no queue. What it leaves in `celery` is removed afterwards."""
    with celery.Celery(broker=url, backend=url, set_as_current=False) as made, Redis.from_url(url) as broker:
        yield made
        broker.delete("celery")


@pytest.fixture
def neighbour(url: str, tmp_path: Path) -> Iterator[Neighbour]:
    with stock(tmp_path, url) as made:
        yield made


def test_a_client_that_knows_the_names_only_is_answered(client: celery.Celery) -> None:
    digest = client.signature("wasmfleet.digest.digest", kwargs={"data": b"abc"})

    assert digest.delay().get(timeout=20).startswith("ba7816bf")
    with pytest.raises(Exception, match=r"no operation 'wasmfleet\.nope'"):
        client.send_task("wasmfleet.nope").get(timeout=20)


def test_a_users_own_task_waits_for_the_users_own_worker(
    client: celery.Celery, neighbour: Neighbour, url: str
) -> None:
    theirs = [client.send_task(_THEIRS, (n, 1)) for n in range(3)]
    ours = client.send_task("wasmfleet.digest.digest", kwargs={"data": b"abc"})
    assert ours.get(timeout=20)
    with Redis.from_url(url) as broker:
        assert broker.llen("celery") == 3

    neighbour.start_worker(queues="celery")

    assert [result.get(timeout=30) for result in theirs] == [1, 2, 3]
    assert neighbour.troubles() == []


def test_calls_for_a_named_queue_never_meet_the_users_own_worker(
    client: celery.Celery, neighbour: Neighbour
) -> None:
    """With a worker of another app on `celery`, that worker may take a call that names no queue, and discards it."""
    name = neighbour.start_worker(queues="celery")
    digest = client.signature("wasmfleet.digest.digest", kwargs={"data": b"abc"}, queue="wasmfleet.any")

    assert all(result.get(timeout=20) for result in [digest.delay() for _ in range(20)])
    assert "unregistered task" not in neighbour.output(name)


@pytest.mark.parametrize("queue", ["wasmfleet.any", "celery"])
def test_a_plain_clients_call_is_answered_within_milliseconds(client: celery.Celery, queue: str) -> None:
    """The bound is wide, for machines that are busy: an idle worker that has to look for calls takes two seconds."""
    digest = client.signature("wasmfleet.digest.digest", kwargs={"data": b"abc"}, queue=queue)
    taken = []
    for _ in range(60):
        time.sleep(random.uniform(0.0, 0.05))
        began = time.perf_counter()
        digest.delay().get(timeout=20)
        taken.append((time.perf_counter() - began) * 1000)

    p50, p95 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]
    print(f"\n  round trip of a plain client by {queue}: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert p50 < 1000


def test_the_doctor_tells_of_messages_that_are_not_the_fleets(
    client: celery.Celery, fleet: CommandLine
) -> None:
    client.send_task(_THEIRS, (1, 2))
    said = fleet.run("doctor").stdout

    assert (
        f"1 message that is not this fleet's waits in the queue celery; the first calls '{_THEIRS}'" in said
    )
    assert "start the worker that they are for" in said


@pytest.fixture
def elsewhere(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of the broker that no worker serves. Who watches it looks each time and loses patience soon."""
    monkeypatch.setattr(neglected, "EVERY_S", 0.0)
    monkeypatch.setattr(neglected, "PATIENCE_S", 0.3)
    database = url.removesuffix("/0") + "/7"
    yield database
    with Redis.from_url(database) as broker:
        broker.delete("celery", "wasmfleet:neglected", "_kombu.binding.celery")


@pytest.mark.parametrize(
    ("scheme", "served", "task", "wanted"),
    [
        ("", None, _OURS, "1 call of this fleet waits in the queue celery, which it does not serve: name the queue"),
        ("wasmfleet+", False, _OURS, "or set WASMFLEET_SERVE_DEFAULT_QUEUE=true"),
        ("wasmfleet+", None, _OURS, "behind many messages that nobody takes: start the workers that those are for"),
        ("wasmfleet+", None, _THEIRS, "the first calls 'stock_app.add': start the worker that they are for"),
    ],
)  # fmt: skip
def test_a_worker_warns_of_what_nobody_takes(
    elsewhere: str, caplog: pytest.LogCaptureFixture, scheme: str, served: Any, task: str, wanted: str
) -> None:
    with celery.Celery(broker=elsewhere, set_as_current=False) as client:
        client.send_task(task)
    watch = neglected.Watch(Settings(broker_url=scheme + elsewhere, serve_default_queue=served))
    with Redis.from_url(elsewhere) as state, caplog.at_level(logging.WARNING, "wasmfleet.presence"):
        until(lambda: watch.look(state) or caplog.records, what="a warning")
        watch.look(state)

    [record] = caplog.records  # not once more within the minute
    assert wanted in record.getMessage()


def test_no_worker_warns_of_what_another_app_is_about_to_take(
    elsewhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    watch, began = neglected.Watch(Settings(broker_url="wasmfleet+" + elsewhere)), time.monotonic()
    with (
        celery.Celery(broker=elsewhere, set_as_current=False) as client,
        Redis.from_url(elsewhere) as broker,
        caplog.at_level(logging.WARNING, "wasmfleet.presence"),
    ):
        client.send_task(_THEIRS)
        while time.monotonic() - began < 4 * neglected.PATIENCE_S:
            client.send_task(_THEIRS)
            broker.rpop("celery")
            watch.look(broker)

    assert caplog.records == []


def test_the_default_queue_is_not_promised_where_the_rule_cannot_be_kept() -> None:
    for broker in ("redis://localhost/0", "amqp://localhost"):
        with pytest.raises(
            SettingsError, match=r"SERVE_DEFAULT_QUEUE=true needs .*name the queue wasmfleet\.any"
        ):
            load({
                "WASMFLEET_BROKER_URL": broker,
                "WASMFLEET_STATE_URL": "redis://localhost/0",
                "WASMFLEET_SERVE_DEFAULT_QUEUE": "true",
            })  # fmt: skip
    assert load({"WASMFLEET_BROKER_URL": "wasmfleet+redis://localhost/0"}).serves_default_queue
    assert not load({"WASMFLEET_BROKER_URL": "redis://localhost/0"}).serves_default_queue
