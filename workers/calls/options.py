"""The options of a call beside its arguments: which there are, what they may be, and the queue that they lead to.

Celery passes an option that it does not know on to the message, where nobody reads it. One that was misspelled would so
change which sandbox a call demands, or for how long it may run, without a word. Here it is an error.
"""

import inspect
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, TypedDict, cast, get_args

from amqp import Message
from celery import Celery, Task
from celery.app.amqp import AMQP
from kombu import Producer

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.calls.publishing import QUEUES
from wasmfleet.workers.contracts.operation import PREFIX
from wasmfleet.workers.errors import InvalidArguments
from wasmfleet.workers.safe_text import suggestion
from wasmfleet.workers.secrecy.sealed_calls import CANVAS, FOLLOWING

LANES: Final[tuple[Lane, ...]] = get_args(Lane)
HEADER: Final = "wasmfleet"
_LANE_OF_QUEUE: Final = {queue: lane for lane, queue in QUEUES.items()}
#: Parameters of Celery's functions that are no options of a call.
_NO_OPTIONS: Final = frozenset(["self", "name", "message", "args", "kwargs", "body", "event_dispatcher"])
_PRIORITIES: Final = range(10)
_SERIALIZERS: Final = ("json", "msgpack")
#: What the fleet's header of a message may hold.
_OURS_IN_HEADER: Final = frozenset(
    ["lane", "queued_at", "limit_s", "reply", "waits", "waited_for", "handed_over"]
)


class Options(TypedDict, total=False):
    """The options of a call that are of use here, with their types. Times are seconds; see Celery's `apply_async`."""

    lane: Lane
    expires: float | datetime | None
    countdown: float
    eta: datetime
    priority: int
    time_limit: float
    soft_time_limit: float
    task_id: str
    queue: str
    link: Any
    link_error: Any
    headers: Mapping[str, Any]
    ignore_result: bool
    compression: str
    retry: bool
    retry_policy: Mapping[str, Any]


#: Most calls have no other options, and need not look through Celery's functions.
_USUAL: Final = frozenset(Options.__annotations__)


@cache
def known() -> frozenset[str]:
    """Give the names of all options: what Celery and kombu take on an option's way into a message, and `lane`."""
    takers = (
        Task.apply_async,
        Celery.send_task,
        AMQP.as_task_v2,
        app.amqp.send_task_message,
        Producer.publish,
    )
    parameters = (each for taker in takers for each in inspect.signature(taker).parameters.values())
    named = {each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    properties = {name for name, _ in Message.PROPERTIES}
    return frozenset({"lane"} | (named | properties) - _NO_OPTIONS)


def check(name: str, options: Mapping[str, Any]) -> None:
    """Raise InvalidArguments for an option of the call `name` that there is not, or that cannot have this value."""
    stamps = options.get("stamped_headers") or ()
    rare = [option for option in options if option not in _USUAL and option not in stamps]
    unknown = [option for option in rare if option not in known()]
    if unknown:
        raise InvalidArguments(f"{name}: there is no option {unknown[0]!r}{suggestion(unknown[0], known())}")
    if options.get("lane") and options.get("chain"):
        raise InvalidArguments(
            f"{name}: `lane` of a chain would be that of its first call alone; set it on each: op.s(...).set(lane=...)"
        )
    for option, checked in _CHECKS.items():
        if (value := options.get(option)) is not None and (wrong := checked(value)):
            raise InvalidArguments(f"{name}: {option}={value!r} {wrong}")


def check_following(options: Mapping[str, Any]) -> None:
    """Check the options of the operations that follow a call: its links, the rest of its chain, its chord's body."""
    found = [options.get(name) for name in FOLLOWING]
    while found:
        value = found.pop()
        if isinstance(value, list | tuple):
            found += value
        elif isinstance(value, Mapping):
            name, its_own = str(value.get("task")), _mapping(value.get("options"))
            if name.startswith(PREFIX):
                check(name, its_own)
            found += [its_own.get(option) for option in FOLLOWING]
            if name.startswith(CANVAS):
                found += _mapping(value.get("kwargs")).values()


def lane_of(name: str, lane: Any) -> Lane:
    """Give the lane of a call, by default WASMFLEET_LANE. Raises InvalidArguments where it is none."""
    check(name, {"lane": lane})
    return cast(Lane, lane) if lane is not None else settings().lane


def routed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options with the lane's queue, and with the lane in the header that workers read, in place of `lane`.

    A lane that is named wins over one that the options have from before. A queue that belongs to no lane is kept, and
    a lane's queue says the lane where nothing else does.
    """
    routed = dict(options)
    headers = _mapping(routed.get("headers"))
    ours = _mapping(headers.get(HEADER))
    asked, queue = routed.pop("lane", None), routed.get("queue")
    lane = next(
        lane for lane in (asked, ours.get("lane"), _of_queue(queue), settings().lane) if lane in LANES
    )
    if queue is None or (asked and str(queue) in _ours()):
        queue = QUEUES[lane]
    if isinstance(queue, str) and queue in _LANE_OF_QUEUE:
        queue = queues.of_call(queue, routed.get("priority"), settings())
    return routed | {"queue": queue, "headers": headers | {HEADER: ours | {"lane": lane}}}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _of_queue(queue: Any) -> Lane | None:
    """Give the lane of a lane's queue; in a worker none, where a call of any lane may be sent on to plain Python."""
    return None if in_a_call() else _LANE_OF_QUEUE.get(str(queue))


@cache
def _ours() -> frozenset[str]:
    return frozenset(queues.lane_queues(settings()))


def _no_lane(value: Any) -> str:
    return "" if value in LANES else f"is no lane; give {', '.join(LANES)}"


def _no_wait(value: Any) -> str:
    if isinstance(value, datetime | str):
        return _no_time(value)
    return "" if _is_number(value) and value >= 0 else "is no number of seconds from now on, and no datetime"


def _no_limit(value: Any) -> str:
    return "" if _is_number(value) and value > 0 else "is no number of seconds above 0"


def _no_seconds(value: Any) -> str:
    return "" if _is_number(value) and value >= 0 else "is no number of seconds"


def _no_time(value: Any) -> str:
    """Celery's own messages have times as text."""
    try:
        is_one = isinstance(value if isinstance(value, datetime) else datetime.fromisoformat(value), datetime)
    except (TypeError, ValueError):
        is_one = False
    return "" if is_one else "is no datetime"


def _no_queue(value: Any) -> str:
    """Queues of other programs may have any name; one that begins like a fleet's and is none is a misspelt one."""
    misspelt = str(value).startswith(PREFIX) and str(value) not in _ours()
    return f"is no queue of a fleet{suggestion(str(value), _ours())}" if misspelt else ""


def _no_serializer(value: Any) -> str:
    return "" if value in _SERIALIZERS else f"is not read by workers; give {' or '.join(_SERIALIZERS)}"


def _no_priority(value: Any) -> str:
    is_one = isinstance(value, int) and not isinstance(value, bool) and value in _PRIORITIES
    return "" if is_one else "is no whole number from 0 (first) to 9"


def _no_headers(value: Any) -> str:
    if not isinstance(value, Mapping) or not isinstance(value.get(HEADER) or {}, Mapping):
        return "are no headers; give a mapping"
    ours = value.get(HEADER) or {}
    if unknown := [name for name in ours if name not in _OURS_IN_HEADER]:
        return f"have no {unknown[0]!r} of a fleet{suggestion(str(unknown[0]), _OURS_IN_HEADER)}"
    lane = ours.get("lane")
    return f"name a lane that {_no_lane(lane)}" if lane is not None and _no_lane(lane) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: Final = {
    "lane": _no_lane,
    "expires": _no_wait,
    "countdown": _no_seconds,
    "eta": _no_time,
    "time_limit": _no_limit,
    "soft_time_limit": _no_limit,
    "priority": _no_priority,
    "queue": _no_queue,
    "routing_key": _no_queue,
    "serializer": _no_serializer,
    "headers": _no_headers,
}
