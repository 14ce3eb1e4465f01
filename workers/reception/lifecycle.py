"""What a worker does when it and its children start and stop."""

import contextlib
import logging
import signal
import sys
from typing import Any, Final, Literal

from billiard import pool
from billiard.util import set_pdeathsig  # type: ignore[attr-defined]
from celery import bootsteps, signals
from celery.exceptions import Reject
from redis.exceptions import RedisError

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import settings
from wasmfleet.workers.app import app
from wasmfleet.workers.calls import backpressure, own_modules
from wasmfleet.workers.execution import lanes, sandbox
from wasmfleet.workers.fleet_state import cancelled
from wasmfleet.workers.node import data_folder, memory
from wasmfleet.workers.node.private_files import NotPrivate
from wasmfleet.workers.reception.heart import Heart
from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.reception.reaping import ReapStep
from wasmfleet.workers.records import outcomes
from wasmfleet.workers.runtime.modules import NotReady, wasmtime_part
from wasmfleet.workers.safe_text import LineFormatter
from wasmfleet.workers.untrusted import decompression

_SERVES_ANY = {
    True: "no accelerated worker is seen; this one serves the lane any as well",
    False: "an accelerated worker is back; the lane any is its own again",
}
#: MiB that a child may have beside the memory of its guests: arguments, results, machine code.
_CHILDS_OWN_MIB: Final = 512
_log = logging.getLogger("wasmfleet.worker")


@signals.worker_init.connect
def _take_role(sender: Any, **_: Any) -> None:
    _refuse_shared_data()
    consumed = {queue.name for queue in sender.app.amqp.queues.consume_from.values()}
    lanes.process.role = "wasm" if queues.WASM in consumed else "python"
    app.conf.result_backend_transport_options = {"retry_policy": queues.WORKER_PATIENCE}
    app.conf.broker_transport_options["queue_limit"] = 0  # what is sent on was accepted already
    backpressure.exempt()
    decompression.postpone()
    for file, reason in own_modules.register(settings()).items():
        _log.error("module %s is refused: %s", file, reason)
    outcomes.open_log(settings()).close()
    # Where a child was killed before, the last ones wait at shutdown for an answer that never comes: 2 s, not 30.
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20
    if lanes.process.role == "wasm":
        _import_before_fork()


def _refuse_shared_data() -> None:
    """Ends the worker, as an exception would not: Celery logs those of signal handlers and goes on."""
    try:
        data_folder.refuse_shared(settings())
    except NotPrivate as error:
        _log.critical("%s", error)
        raise SystemExit(2) from None


def _import_before_fork() -> None:
    """Imports the runtime once for all children; the engine itself must be made after fork."""
    with contextlib.suppress(NotReady):
        wasmtime_part("invoke")


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    set_pdeathsig(signal.SIGKILL)  # an orphan would go on with a call that another worker is given
    lanes.process.has_own_twin_process = True
    memory.allow(settings().memory_limit + _CHILDS_OWN_MIB)
    if lanes.process.role == "wasm":
        sandbox.modules().load_all()


class PresenceStep(bootsteps.StartStopStep):
    """Beats while the consumer is up, and lets a fallback worker take `any` while nobody else does."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._heart: Heart | None = None

    def start(self, parent: Any) -> None:
        role: Literal["wasm", "python"] = "python" if lanes.process.role == "python" else "wasm"
        sandbox.share_memory(
            1 if parent.pool.__class__.__module__.endswith("prefork") else parent.controller.concurrency
        )
        self._heart = Heart(
            settings(), parent.hostname, role, lambda accelerated: _serve_any(parent, not accelerated)
        )
        self._heart.start()
        intake.attach(parent)
        with contextlib.suppress(RedisError):  # the heart tries again
            cancelled.learn()

    def stop(self, parent: Any) -> None:
        if self._heart:
            self._heart.stop()

    terminate = stop


app.steps["consumer"].update((PresenceStep, ReapStep))


def _serve_any(consumer: Any, wanted: bool) -> None:
    """Consumes `any` in a fallback worker, or ceases to. Called from the heart's thread."""
    if not _serves_any_as(consumer, wanted):
        consumer.call_soon(_change_any, consumer, wanted)


def _serves_any_as(consumer: Any, wanted: bool) -> bool:
    """Whether nothing is to be changed; a worker that takes no messages at all is left so."""
    taking = consumer.task_consumer is not None and intake.open
    return not taking or consumer.task_consumer.consuming_from(queues.ANY) == wanted


def _change_any(consumer: Any, wanted: bool) -> None:
    """In the main thread. A broker that does not answer is asked again at the next beat."""
    if _serves_any_as(consumer, wanted):
        return
    change = consumer.add_task_queue if wanted else consumer.cancel_task_queue
    try:
        for queue in reversed(queues.queues_of_any(settings())):  # the one that is looked at comes last
            change(queue)
    except consumer.connection_errors as error:
        _log.warning("whom the lane any belongs to cannot be changed now: %s", error)
    else:
        _log.warning(_SERVES_ANY[wanted])


def _in_one_line(record: Any) -> bool:
    """Of a call that its child could not end, or that goes back to its queue, the reason is told, and the traceback
    is the fleet's and Celery's own and tells nothing."""
    is_sent_back = isinstance((record.exc_info or (None, None))[1], Reject)
    if is_sent_back or str(record.msg).startswith("Task handler raised error"):
        record.exc_info = None
    return True


@signals.setup_logging.connect
def _log_plainly(loglevel: int = 20, **_: Any) -> None:
    """Lines for people: time, level, event, and what belongs to it."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=loglevel, handlers=[handler], force=True)
    # a line a task, with its result in it; a line for each of Flower's questions
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.worker.control"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kombu.transport.native_delayed_delivery").setLevel(
        logging.ERROR
    )  # our waits are short
    for name in ("celery.worker.request", "celery.app.trace"):
        logging.getLogger(name).addFilter(_in_one_line)
    sys.unraisablehook = _log_ignored


def _log_ignored(ignored: Any) -> None:
    """What Python cannot raise, in a line of the log; the interpreter's own text names addresses."""
    _log.warning("ignored: %s: %s", getattr(ignored.exc_type, "__name__", "?"), ignored.exc_value)
