"""A worker's consumer: hands calls to Celery, and refuses messages that are no call.

A refused message is set aside in the quarantine and acknowledged. Where it has an id, somebody may wait for a result:
then a typed error is logged and stored under that id.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from celery.utils.log import get_task_logger
from celery.worker import state
from celery.worker.consumer import Consumer
from redis.exceptions import RedisError

from wasmfleet.workers.errors import InvalidArguments, UnknownOperation, WasmfleetError
from wasmfleet.workers.execution import registered
from wasmfleet.workers.fleet_state import quarantine
from wasmfleet.workers.internals import kombu
from wasmfleet.workers.reception import envelope, parking, set_aside
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.records import outcomes, results
from wasmfleet.workers.safe_text import storable

_logger = get_task_logger(__name__)


class TypedConsumer(Consumer):
    """Celery's consumer (5.7, worker/consumer/consumer.py), which looks at each message before Celery does.

    Celery's rejects what it cannot run and prints its content in the log; here it gets a typed error, and no log shows
    it.
    """

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Make the function that is called with each message: Celery's, behind our checks."""
        take = super().create_task_handler(*args, **kwargs)

        def on_message(message: Any) -> Any:
            if refused := set_aside.stub_error(message):
                return self._refuse(message, refused)
            if message.errors:
                return self.on_decode_error(message, message.errors[0][1])
            if "task" not in (message.headers or {}):
                return self.on_unknown_message(None, message)
            try:
                _check(message)
            except WasmfleetError as error:
                return self._refuse(message, error)
            except Exception as error:  # noqa: BLE001 - decoders raise what they like
                return self.on_invalid_task(None, message, error)
            try:
                taken = take(message)
                _put_off(message)
                return taken
            except (RedisError, OSError):
                raise
            except Exception as error:
                if message.acknowledged or _is_taken(message):
                    raise  # it was a call; the trouble is the worker's
                return self.on_invalid_task(None, message, error)

        return on_message

    def apply_eta_task(self, task: Any) -> None:
        """Start a call whose time has come, as Celery does; give it back first where its body is parked in the broker.

        Many calls may come due at once. From the head of its queue a worker takes each as it has room for its body.
        """
        if not task.is_parked:
            super().apply_eta_task(task)
            return
        state.task_ready(task)
        task.message.channel.qos.give_back(task.message.delivery_tag)
        self.qos.decrement_eventually()  # type: ignore[attr-defined]

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Refuse a call of an operation that does not exist."""
        error = f"this fleet has no operation {_name(message)!r}; `wasmfleet ops` lists them"
        self._refuse(message, UnknownOperation(error))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Refuse a message whose headers or body are not those of a call."""
        why = storable(exc)
        self._refuse(message, InvalidArguments(f"the message for {_name(message)!r} is malformed: {why}"))

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Refuse a message that names no task."""
        self._refuse(message, UnknownOperation("the message names no task"))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Refuse a message whose content type or compression nobody here can read."""
        kind = message.content_type
        unread = InvalidArguments(f"a message of type {kind!r} cannot be decoded; send msgpack or json")
        self._refuse(message, exc if isinstance(exc, WasmfleetError) else unread)

    def _refuse(self, message: Any, error: WasmfleetError) -> None:
        """Set a message aside, log and store its error, and acknowledge it; where that fails, it goes back."""
        name, task_id = _name(message), envelope.task_id(message)
        _logger.error("refused message %s: %s", task_id, error)
        try:
            quarantine.keep(set_aside.refused(message, name, self.hostname, error))
            if task_id:
                outcomes.log().write([_row(task_id, name, self.hostname, error)])
                self.app.backend.store_result(task_id, error, "FAILURE")
        except (RedisError, sqlite3.OperationalError) as trouble:
            intake.pause(str(trouble), until=results.probe if isinstance(trouble, RedisError) else None)
            message.reject_log_error(_logger, self.connection_errors, requeue=True)  # type: ignore[attr-defined]
        except Exception:  # no content of a message may end the worker
            _logger.exception("message %s cannot be set aside; this worker keeps it unacknowledged", task_id)
        else:
            message.ack_log_error(_logger, self.connection_errors)  # type: ignore[attr-defined]


def _check(message: Any) -> None:
    """Check a message, and replace its body by one that is decoded in a child.

    Raises what `envelope.check` raises, and UnknownOperation for what this worker does not serve.
    """
    call = envelope.check(message)
    if call.batch:
        served = registered.operation(call.batch.operation)
        # What Celery takes as the name to be shown: Flower's lists would name the batch's own task alone.
        message.headers["shadow"] = f"{call.task} of {served.name}"
    elif call.task.startswith("celery."):
        raise UnknownOperation(
            f"{call.task} is not served: it would call operations past their contract; use `.many` or a group"
        )
    message.body = call.body.body
    kombu.leave_undecoded(message)


def _put_off(message: Any) -> None:
    """Let a call that waits for its time count no longer in what this worker's channel may hold."""
    qos: Any = getattr(message.channel, "qos", None)
    if parking.waits(message) and hasattr(qos, "put_off"):
        qos.put_off(message.delivery_tag)


def _is_taken(message: Any) -> bool:
    """Whether Celery has made a request of this message already."""
    taken: Any = state.requests.get(envelope.task_id(message))
    return taken is not None and taken.message is message


def _name(message: Any) -> str:
    """Return what the message names as its task, as text of at most 200 characters that can be logged."""
    return storable((message.headers or {}).get("task", ""))[:200]


def _row(task_id: str, name: str, worker: str, error: WasmfleetError) -> outcomes.Row:
    now = time.time()
    return outcomes.Row(
        task_id=task_id,
        operation=name,
        lane="any",
        outcome="error",
        error_code=error.code,
        error_message=str(error),
        worker=worker,
        started_at=now,
        finished_at=now,
    )
