"""Celery itself reaches our code: each private method that `workers/internals/` overrides is still called by Celery."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.app import trace
from celery.events.dispatcher import EventDispatcher
from celery.result import AsyncResult
from celery.worker import state
from kombu import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from wasmfleet.workers.internals.celery_results import RedisResultConsumer, RedisResults
from wasmfleet.workers.internals.celery_worker import EventSender, WorkerRequest

_app = Celery("celery-calls-ours", broker="memory://", set_as_current=False)


@_app.task(name="a.task")
def _task() -> None:
    """Do nothing: the requests below need a task."""


class Results(RedisResults):
    """A result backend that notes what Celery asks for, and has no store."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, app=_app, url="redis://127.0.0.1:1", **kwargs)
        self.asked: list[Any] = []

    def stored_meta(self, task_id: Any) -> Any:
        self.asked.append(("meta", task_id))
        return {"status": "SUCCESS", "result": 7}

    def stored_group(self, group_id: Any) -> Any:
        self.asked.append(("group", group_id))
        return {"result": []}

    def send_errbacks(self, request: Any, error: Any, traceback: Any) -> None:
        self.asked.append(("errbacks", request.id))


class Request(WorkerRequest):
    """A request that notes how Celery ends it."""

    ended: tuple[str, bool] = ("", False)

    def follow_ups(self) -> dict[str, Any]:
        return {"chord": "what follows"}

    def end_revoked(self, announce: Any, reason: str, *, is_expired: bool) -> None:
        self.ended = reason, is_expired


def request(**headers: Any) -> Request:
    message = SimpleNamespace(
        headers={"id": "an id", "task": "a.task", **headers},
        body=b"",
        payload=((), {}, {}),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={},
        properties={},
    )
    return Request(message, app=_app, task=_app.tasks["a.task"])


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (EventDispatcher._publish, "self event producer routing_key retry retry_policy utcoffset"),
        (
            trace.fast_trace_task,
            "task uuid request body content_type content_encoding loads _loc hostname _",
        ),
        (
            trace.trace_task_ret,
            "name uuid request body content_type content_encoding loads app extra_request",
        ),
    ],
)
def test_functions_whose_defaults_cannot_be_listed_take_what_they_took(
    function: Any, parameters: str
) -> None:
    assert list(inspect.signature(function).parameters) == parameters.split()


def test_celery_reads_results_through_our_names() -> None:
    results = Results()

    assert AsyncResult("an id", backend=results, app=_app).result == 7
    results.restore_group("a group")
    failed = SimpleNamespace(id="an id", chord=None, errbacks=["one"], chain=None, group=None)
    results.mark_as_failure("an id", ValueError(), request=failed, store_result=False)

    assert results.asked == [("meta", "an id"), ("group", "a group"), ("errbacks", "an id")]
    assert results.task_id_of(results.get_key_for_task("an id")) == "an id"


def test_connections_get_the_options_that_are_set() -> None:
    results = Results()
    results.connect_with(socket_timeout=3.5)

    assert results.client.connection_pool.connection_kwargs["socket_timeout"] == 3.5


def test_celery_opens_a_lost_connection_through_our_name() -> None:
    class Consumer(RedisResultConsumer):
        reconnected = 0

        def reconnect(self) -> None:
            self.reconnected += 1

    consumer = Consumer(Results(), _app, {"json"}, ({}, {}), {})
    consumer.subscribe_all("an id")
    with consumer.reconnect_on_error():
        raise RedisConnectionError
    consumer.cancel_for("another id")
    keys = consumer.awaited_keys

    assert (consumer.reconnected, consumer.is_connected) == (2, False)
    assert {consumer.backend.task_id_of(key) for key in keys} == {"an id"}


def test_celery_ends_a_cancelled_and_an_expired_call_through_our_name() -> None:
    cancelled = request(stamped_headers=["a stamp"], stamps={"a stamp": "it"})
    expired = request(expires="2020-01-01T00:00:00+00:00")
    state.revoked_stamps["a stamp"] = ["it"]
    try:
        assert cancelled.revoked()
        assert expired.revoked()
    finally:
        del state.revoked_stamps["a stamp"]
        state.revoked.discard("an id")

    assert (cancelled.ended, expired.ended) == (("revoked", False), ("expired", True))


def test_celery_reads_what_follows_a_call_through_our_name_and_hands_our_body_to_the_child() -> None:
    given: dict[str, Any] = {}
    one = request()
    one.hand_over("undecoded")
    pool: Any = SimpleNamespace(apply_async=lambda _task, **options: given.update(options))
    one.execute_using_pool(pool)

    assert (one.chord, one.context.chord) == ("what follows", "what follows")
    assert given["args"][3:] == ("undecoded", None, None)


def test_celery_sends_events_through_our_name_and_tries_none_again_that_we_forget() -> None:
    tried: list[str] = []

    class Sender(EventSender):
        def send_once(self, event: Any, producer: Any, routing_key: str, **options: Any) -> None:
            tried.append(routing_key)
            super().send_once(event, producer, routing_key, **options)

    class Broken:
        def publish(self, *_: Any, **__: Any) -> None:
            raise ConnectionError

    with Connection("memory://") as connection:
        sender = Sender(connection, app=_app, enabled=True)
        sender.producer = Broken()
        sender.send("worker-heartbeat")
        sender.flush()
        sender.forget_unsent()
        sender.flush()

    assert tried == ["worker.heartbeat"] * 2
