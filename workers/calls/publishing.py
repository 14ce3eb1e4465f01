"""Send messages: the header that each gets, and the error that a caller gets where one cannot be sent."""

import time
from collections.abc import Callable
from typing import Any, Final

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import Lane
from wasmfleet.workers.again import Again
from wasmfleet.workers.app import in_a_call
from wasmfleet.workers.calls import backpressure
from wasmfleet.workers.errors import BrokerUnavailable

QUEUES: Final[dict[Lane, str]] = {"any": queues.ANY, "wasm": queues.WASM, "python": queues.PYTHON}


def publish(send: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Send a message with one of Celery's functions, and give what that gives.

    Raises BrokerUnavailable where the broker or the store of results does not answer, FleetBusy where too much is
    queued.
    """
    return backpressure.patiently(lambda: _publish_once(send, *args, **options))


def _publish_once(send: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        backpressure.check_age(options["queue"])
        options.setdefault("retry_policy", queues.jittered(queues.CLIENT_PATIENCE))
        return send(*args, confirm_timeout=queues.BROKER_TIMEOUT_S, **options)
    except (OperationalError, RedisError) as error:
        raise _unsent(error) from error
    except RuntimeError as error:
        if error.__cause__ is None or not isinstance(error.__cause__, RedisError):
            raise
        raise _unsent(error.__cause__) from error


def _unsent(error: BaseException) -> Exception:
    """Make the error for a message that could not be sent: in a worker, one that sends the running call back to its
    queue to be run again; elsewhere BrokerUnavailable."""
    told = str(error).rstrip(".")
    reason = f"the broker does not answer: {told}; nothing was queued"
    return Again(reason) if in_a_call() else BrokerUnavailable(reason)


def stamp(lane: Lane, options: dict[str, Any]) -> dict[str, Any]:
    """Make the header of a message, and take the caller's `soft_time_limit` out of the options into it.

    Celery's soft limit raises wherever the child is, also inside a write of the log; the lanes keep ours themselves.
    """
    header: dict[str, Any] = {"lane": lane, "queued_at": time.time()}
    limit_s = options.pop("soft_time_limit", None)
    if limit_s:
        header["limit_s"] = float(limit_s)
        # A message that is handed over has the option, as None.
        options["time_limit"] = options.get("time_limit") or limit_s + 5
    return header


def lane_of_eager(request: Any) -> Lane:
    """Return the lane of a call in this process: what its sender asks for where Celery runs it at once, else `any`."""
    asked = (request.headers or {}).get("wasmfleet") if request.is_eager else None
    lane: Lane = (asked or {}).get("lane", "any")
    return lane
