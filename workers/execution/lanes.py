"""The choice of the lane that serves a call, and what happens where none can: hand over to plain Python, or wait."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from celery.exceptions import Ignore

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import RuntimeUnavailable
from wasmfleet.workers.execution import call, sandbox
from wasmfleet.workers.runtime.modules import Loaded, NotReady
from wasmfleet.workers.untrusted.undecoded import was_json

Role = Literal["wasm", "python", "here"]
_WAIT_S: Final = (0.5, 1.0, 2.0, 4.0)
_ASKED: Final[dict[Any, Lane]] = {"wasm": "wasm", "python": "python"}
_LANES: Final[dict[str, Lane]] = {queues.WASM: "wasm", queues.PYTHON: "python"}
_LANE_OF_QUEUE: Final = {
    queue: lane
    for name, lane in _LANES.items()
    for queue in (name, queues.of_batches(name), queues.of_later(name))
}


@dataclass(slots=True)
class _Process:
    role: Role = "here"
    has_own_twin_process: bool = False


process: Final = _Process()


class HandOver(Exception):
    """This worker cannot serve the call, but the plain-Python lane can. The text says why."""


class Wait(Exception):
    """Only a sandbox may serve the call, and none is ready here. The text says why."""


def of(request: Any) -> Lane:
    """Return the lane that a message asks for: the one in its header, else the one that its queue is for."""
    header = getattr(request, "wasmfleet", None) or {}
    queue = (request.delivery_info or {}).get("routing_key", "")
    asked: Lane | None = _ASKED.get(header.get("lane"))
    return asked or _LANE_OF_QUEUE.get(queue, "any")


def choose(operation: Operation, lane: Lane) -> Loaded | None:
    """Return the loaded module that serves a call, or None for the twin.

    Raises HandOver or Wait where this worker must not serve the call, and RuntimeUnavailable where no worker can.
    """
    has_twin = operation.twin is not None
    if lane == "python" and not has_twin:
        raise RuntimeUnavailable(f"{operation.name} has no plain-Python twin; it runs in a sandbox only")
    if lane == "python" or (lane == "any" and process.role == "python" and has_twin):
        return None
    if process.role == "python":
        raise Wait("this is a plain-Python worker")
    try:
        return sandbox.modules().ready(operation.module)
    except NotReady as error:
        refuse_unless_twin_may(operation, lane, str(error))
        return None


def refuse_unless_twin_may(operation: Operation, lane: Lane, reason: str) -> None:
    """Raise HandOver or Wait, for want of a sandbox, unless the twin may serve the call here."""
    if lane == "wasm" or operation.twin is None:
        raise Wait(reason) from None
    if process.role != "here":
        raise HandOver(reason) from None


def hand_over(task: Any, request: Any, reason: str) -> Ignore:
    """Send the message on to the plain-Python queue under its own id. The caller raises what this returns."""
    _resend(task, request, queues.PYTHON, {"handed_over": reason})
    return Ignore()


def wait(task: Any, request: Any, reason: str) -> Ignore:
    """Send the message back to the sandbox queue, to be delivered after a pause. The caller raises what this returns.

    Raises RuntimeUnavailable where the call would expire before that.
    """
    header = _header(request)
    waits = int(header.get("waits", 0))
    pause_s = _WAIT_S[min(waits, len(_WAIT_S) - 1)]
    if _expires_within(request, pause_s):
        raise RuntimeUnavailable(f"no sandbox became ready before the call expired: {reason}")
    _resend(
        task,
        request,
        queues.WASM,
        {"lane": "wasm", "waits": waits + 1, "waited_for": reason},
        countdown=pause_s,
    )
    return Ignore()


def _resend(task: Any, request: Any, lane_queue: str, changes: dict[str, Any], **options: Any) -> None:
    priority = (request.delivery_info or {}).get("priority")
    single = queues.of_call(lane_queue, priority, settings())
    queue = queues.of_batches(lane_queue) if task.name == queues.BATCH else single
    again = task.signature_from_request(request, queue=queue, **options)
    again.options["headers"] = {"wasmfleet": _header(request) | changes}
    if task.name == queues.BATCH:  # the task of a single operation sets these two itself
        shown = call.shape_of_batch(**call.of_batch(request.args, request.kwargs))
        again.options |= {"argsrepr": shown, "kwargsrepr": "{}"}
    if was_json(request):  # in MessagePack, text would not be read as base64
        again.options["serializer"] = "json"
    again.options.pop("eta", None)
    again.options.pop("routing_key", None)
    again.options.pop("exchange", None)
    again.apply_async()


def _header(request: Any) -> dict[str, Any]:
    """Return the message's `wasmfleet` header; a client that sends none does not know this package."""
    return {"queued_at": None} | (getattr(request, "wasmfleet", None) or {})


def _expires_within(request: Any, seconds: float) -> bool:
    if not request.expires:
        return False
    expires = (
        request.expires if isinstance(request.expires, datetime) else datetime.fromisoformat(request.expires)
    )
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    return expires <= datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=seconds)
