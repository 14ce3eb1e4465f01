"""What happens in a worker when it starts and stops, and when each of its children starts."""

import contextlib
import logging
import sys
from typing import Any, Final, Literal

from celery import bootsteps, current_task, signals
from celery.exceptions import Reject
from redis.exceptions import RedisError

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import settings
from wasmfleet.workers import log_lines
from wasmfleet.workers.app import app
from wasmfleet.workers.calls import backpressure, own_modules
from wasmfleet.workers.execution import lanes, sandbox
from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.internals import billiard
from wasmfleet.workers.node import data_folder, memory
from wasmfleet.workers.node.private_files import NotPrivate
from wasmfleet.workers.reception.heart import Heart
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.reception.pulse import pulse
from wasmfleet.workers.reception.reaping import ReapStep
from wasmfleet.workers.records import outcomes
from wasmfleet.workers.runtime.modules import NotReady, wasmtime_part
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import keyring
from wasmfleet.workers.untrusted import decompression

_SERVES_ANY = {
    True: "no accelerated worker is seen; this one serves the lane 'any' as well",
    False: "an accelerated worker is seen again; this one leaves the lane 'any' to it",
}
#: How long a child waits at its end for the worker to take its answers; in vain where another was killed before.
_LAST_ANSWERS_S: Final = 2.0
#: How often a child tries to connect for each try to send what follows a call. Kombu (5.7, connection.py) would try
#: until the child is killed at its time limit; the call runs again where its follow-up cannot be sent.
_CHILDS_TRIES: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
_log = logging.getLogger("wasmfleet.worker")


@signals.worker_init.connect
def _take_role(sender: Any, **_: Any) -> None:
    """Prepare the main process before anything is forked, and find by its queues whether it has a sandbox."""
    _log_plainly(sender.loglevel)  # Celery (5.7) sets up the log after this signal
    _refuse_shared_data()
    pulse.begin(settings(), sender.hostname)
    keyring.holder.name = f"the worker {storable(sender.hostname)}"
    consumed = {queue.name for queue in sender.app.amqp.queues.consume_from.values()}
    lanes.process.role = "wasm" if queues.WASM in consumed else "python"
    app.conf.result_backend_transport_options = {"retry_policy": queues.WORKER_PATIENCE}
    app.conf.broker_transport_options["queue_limit"] = 0  # a call that is sent on was accepted before
    backpressure.exempt()
    decompression.postpone()
    for file, reason in own_modules.register(settings()).items():
        _log.error("module %s is refused: %s", file, reason)
    billiard.wait_for_last_answers(_LAST_ANSWERS_S)
    if lanes.process.role == "wasm":
        _import_before_fork()
    outcomes.open_log(settings()).close()  # the last step: Celery logs its error, and goes on


@signals.worker_shutdown.connect
def _say_farewell(**_: Any) -> None:
    pulse.end()


def _refuse_shared_data() -> None:
    """End the worker where others can write its data folder.

    By SystemExit: any other exception of a signal's handler Celery logs, and starts the worker all the same.
    """
    try:
        data_folder.refuse_shared(settings())
    except NotPrivate as error:
        _log.critical("%s", error)
        raise SystemExit(2) from None


def _import_before_fork() -> None:
    """Import the sandbox once for all children. Each makes its own engine, which has a thread, after the fork."""
    with contextlib.suppress(NotReady):
        wasmtime_part("invoke")


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    """Prepare a child before its first call: bind its life to the worker's, limit its memory, load the modules."""
    billiard.end_with_parent()  # or it would go on with a call that another worker is given
    lanes.process.has_own_twin_process = True
    memory.allow_child(settings())
    if not settings().amqp:
        app.conf.broker_transport_options.update(_CHILDS_TRIES)
    if lanes.process.role == "wasm":
        sandbox.modules().load_all()


class PresenceStep(bootsteps.StartStopStep):
    """Step of the consumer that runs the heart's thread.

    Through it a plain-Python worker serves the lane `any` as long as no accelerated worker is seen.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._heart: Heart | None = None

    def start(self, parent: Any) -> None:
        """Start the thread, and open the intake, once the consumer consumes."""
        role: Literal["wasm", "python"] = "python" if lanes.process.role == "python" else "wasm"
        sandbox.share_memory(
            1 if parent.pool.__class__.__module__.endswith("prefork") else parent.controller.concurrency
        )
        self._heart = Heart(
            settings(),
            storable(parent.hostname),
            role,
            lambda accelerated: _serve_any(parent, not accelerated),
        )
        self._heart.start()
        intake.attach(parent)
        pulse.attach(parent)
        try:
            cancelled.learn()
        except RedisError as error:
            why = f"which calls are cancelled cannot be read: {error}"
            intake.pause(why, until=cancelled.learn)

    def stop(self, parent: Any) -> None:
        """Stop the thread, which withdraws the worker's heartbeat."""
        if self._heart:
            self._heart.stop()
        pulse.detach()

    terminate = stop


app.steps["consumer"].update((PresenceStep, ReapStep))


def _serve_any(consumer: Any, wanted: bool) -> None:
    """Let a plain-Python worker begin or cease to serve the lane `any`. The heart's thread calls this each second."""
    if not _is_any_settled(consumer, wanted):
        consumer.call_soon(_change_any, consumer, wanted)


def _is_any_settled(consumer: Any, wanted: bool) -> bool:
    """Whether the worker serves the lane `any` or not as is wanted, or takes no messages at all and is left so."""
    taking = consumer.task_consumer is not None and intake.open
    return not taking or consumer.task_consumer.consuming_from(queues.ANY) == wanted


def _change_any(consumer: Any, wanted: bool) -> None:
    """Begin or cease to consume the queues of the lane `any`. Runs in the main thread.

    Where the broker does not answer, the next heartbeat leads here again.
    """
    if _is_any_settled(consumer, wanted):
        return
    change = consumer.add_task_queue if wanted else consumer.cancel_task_queue
    try:
        # Backwards, because `_is_any_settled` looks at the last.
        for queue in reversed(queues.queues_of(queues.ANY, settings())):
            change(queue)
    except consumer.connection_errors as error:
        doing = "begin" if wanted else "cease"
        _log.warning(
            "cannot %s to serve the lane 'any' now: the broker does not answer (%s); trying again in 1 s",
            doing,
            error,
        )
    else:
        _log.warning(_SERVES_ANY[wanted])


def _in_one_line(record: Any) -> bool:
    """Take the traceback from Celery's log records about calls that failed in their child or go back to their queue.

    It shows our code and Celery's and explains nothing; the message has the reason.
    """
    is_sent_back = isinstance((record.exc_info or (None, None))[1], Reject)
    if is_sent_back or str(record.msg).startswith("Task handler raised error"):
        record.exc_info = None
    return True


@signals.setup_logging.connect
def _log_plainly(loglevel: int = 20, **_: Any) -> None:
    """Set up the worker's log in place of Celery: a line has time, level, logger and message, and no call's content."""
    handler = logging.StreamHandler()
    handler.setFormatter(log_lines.formatter(settings(), _current_call))
    logging.basicConfig(level=loglevel, handlers=[handler], force=True)
    # These write a line for each call, with its arguments or its result in it, or for each question of Flower.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.worker.control"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns that calls sent on with a pause wait in a worker and not in RabbitMQ; our pauses are a few seconds.
    logging.getLogger("kombu.transport.native_delayed_delivery").setLevel(logging.ERROR)
    for name in ("celery.worker.request", "celery.app.trace"):
        logging.getLogger(name).addFilter(_in_one_line)
    sys.unraisablehook = _log_ignored


def _current_call() -> tuple[str, str]:
    """Return the id of the call that runs in this thread, and the operation's name; both are empty between calls."""
    if not current_task:
        return "", ""
    return current_task.request.id or "", current_task.name


def _log_ignored(ignored: Any) -> None:
    """Log in one line what Python cannot raise, such as in `__del__`; its own text would show memory addresses."""
    _log.warning("ignored: %s: %s", getattr(ignored.exc_type, "__name__", "?"), ignored.exc_value)
