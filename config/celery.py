"""Celery's options: each with its reason, and derived from the settings where it depends on them."""

import math
import random
from typing import Any

from kombu import Queue

from wasmfleet.config.settings import MIB, OWN_TRANSPORT, Settings

SERIALIZER = "msgpack"  # of calls of operations: only workers of a fleet read them, and bytes need no base64
ANY, WASM, PYTHON = "wasmfleet.any", "wasmfleet.wasm", "wasmfleet.python"
DEFAULT = "celery"  # Celery's default queue, which clients that name none use, and other apps as well
OURS = "wasmfleet."  # what the name of each of our tasks begins with
BATCH = "wasmfleet.batch"  # the task of many calls
LATER_FROM = 3  # the priority from which a call is less urgent: the second of kombu's four steps
SINGLE_CALLS_A_BATCH = 4  # so many single calls are taken for each batch while both wait
BROKER_TIMEOUT_S = 5.0
RESULT_TIMEOUT_S = 2.0  # short, because Celery's time limit still runs while a result is being stored
PREFETCH_MULTIPLIER = (
    4  # messages a child: enough to hide the broker's round trip, few to redeliver after a death
)
HELD_BYTES = 48 * MIB  # of messages in the main process of a worker
MAX_DEATHS = 5  # of main processes that held a message, after which no worker gets it any more
BATCH_FACTOR = 6  # a batch may run so many times as long as one call
CLIENT_PATIENCE: dict[str, float] = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}
WORKER_PATIENCE: dict[str, float] = {  # with a store that refuses connections; after it the call runs again
    "max_retries": 6,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}


def jittered(policy: dict[str, float]) -> dict[str, float]:
    """Make a retry policy whose pauses are half to one and a half times as long, at random: so a broker that comes back
    is not met by everybody at once."""
    by = random.uniform(0.5, 1.5)
    return policy | {name: by * policy[name] for name in ("interval_step", "interval_max")}


def of_batches(queue: str) -> str:
    """Name the queue for a lane's batches: they have their own, so that single calls need not wait behind them."""
    return f"{queue}.batch"


def of_later(queue: str) -> str:
    """Name the queue for a lane's less urgent calls, on a broker that keeps no priorities within a queue."""
    return f"{queue}.later"


def queues_of(lane_queue: str, settings: Settings) -> list[str]:
    """Name all queues of a lane. On Redis priorities are lists within a queue; RabbitMQ's quorum queues have none, and
    need one queue more."""
    everywhere = [lane_queue, of_batches(lane_queue)]
    return [*everywhere, of_later(lane_queue)] if settings.amqp else everywhere


def of_call(lane_queue: str, priority: int | None, settings: Settings) -> str:
    """Name the queue of a single call with this priority, from 0 (first) to 9."""
    return of_later(lane_queue) if settings.amqp and (priority or 0) >= LATER_FROM else lane_queue


def lane_queues(settings: Settings) -> list[str]:
    """Name the queues of all lanes."""
    return [queue for lane in (ANY, WASM, PYTHON) for queue in queues_of(lane, settings)]


#: Seconds after which a message is queued again that a plain Celery worker on the same database has not acknowledged;
#: the workers of a fleet have leases instead.
_PLAIN_WORKERS_S = 86_400


def options(settings: Settings, broker_url: str, store_url: str) -> dict[str, Any]:
    """Give the options of the Celery app, for a broker at `broker_url`, and results at `store_url` where
    WASMFLEET_RESULT_URL names no other place."""
    return (
        _delivery()
        | _serialization(settings)
        | {"task_queues": [_queue(name, settings) for name in (*lane_queues(settings), DEFAULT)]}
        | _broker(settings, broker_url, store_url)
        | _workers(settings)
    )


def _queue(name: str, settings: Settings) -> Queue:
    """Declare a queue: on RabbitMQ replicated and on disk, but for Celery's default queue, which clients without this
    package declare as a classic one."""
    quorum = settings.amqp and name != DEFAULT
    return Queue(name, routing_key=name, queue_arguments={"x-queue-type": "quorum"} if quorum else None)


def _delivery() -> dict[str, Any]:
    return {
        "task_acks_late": True,  # a worker that dies has not acknowledged what it was doing
        "task_reject_on_worker_lost": True,  # a killed child's task goes back to its queue
        "task_acks_on_failure_or_timeout": True,  # a typed error is a result, not a reason to run again
        "worker_prefetch_multiplier": PREFETCH_MULTIPLIER,
        "task_create_missing_queues": True,
        "task_default_queue": DEFAULT,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # they finish, and their rows are written
    }


def _serialization(settings: Settings) -> dict[str, Any]:
    return {
        "accept_content": ["msgpack", "json"],  # never pickle: unpickling runs what the sender wants
        "result_accept_content": ["msgpack", "json"],
        # What goes to others (orders, their answers, calls of other apps' tasks) is what an unconfigured Celery reads.
        "task_serializer": "json",
        "result_serializer": "json",  # what an unconfigured app can read; a batch asks for msgpack
        "result_expires": settings.result_expires,  # the log keeps outcomes for longer
        "result_extended": False,  # arguments are never stored beside results
    }


def _broker(settings: Settings, broker_url: str, store_url: str) -> dict[str, Any]:
    socket = {
        "socket_timeout": BROKER_TIMEOUT_S,  # a half-open connection hangs for 125 s otherwise
        "socket_connect_timeout": BROKER_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": BROKER_TIMEOUT_S,
    }
    return {
        "broker_url": broker_url,
        "result_backend": f"wasmfleet.workers.records.results:Results+{settings.result_url or store_url}",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker as long as it takes
        "broker_transport_options": _transport(settings, broker_url, socket),
        "broker_heartbeat": 6,  # RabbitMQ's; a half-open connection is noticed within 12 s
        "redis_socket_timeout": RESULT_TIMEOUT_S,
        "redis_socket_connect_timeout": RESULT_TIMEOUT_S,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": BROKER_TIMEOUT_S,
        "task_publish_retry_policy": CLIENT_PATIENCE,
        "result_backend_transport_options": {"retry_policy": CLIENT_PATIENCE},
    }


def _transport(settings: Settings, broker_url: str, socket: dict[str, Any]) -> dict[str, Any]:
    if settings.amqp:
        return {"confirm_publish": True}  # `.delay()` returns when a majority has the message on disk
    own = broker_url.startswith(OWN_TRANSPORT)
    return socket | (_own_transport(settings) if own else _stock_redis(settings))


def _own_transport(settings: Settings) -> dict[str, Any]:
    return {
        "queue_limit": settings.queue_limit,
        "limited_queues": tuple(lane_queues(settings)),
        "queue_weights": dict.fromkeys((ANY, WASM, PYTHON), SINGLE_CALLS_A_BATCH),
        # Clients that name no queue use Celery's default one, and so do other apps: only what is ours is taken from it.
        "claim": (DEFAULT, OURS, ANY) if settings.serves_default_queue else None,
        "visibility_timeout": _PLAIN_WORKERS_S,
        "guarded": True,
        "message_bytes": message_bytes(settings),
        "held_bytes": HELD_BYTES,
        "max_deaths": MAX_DEATHS,
    }


def message_bytes(settings: Settings) -> int:
    """Give the most bytes that a message may have in the broker: JSON has the arguments in base64, and the broker has
    that in base64 again."""
    return settings.max_input * MIB * 16 // 9 + MIB


def _stock_redis(settings: Settings) -> dict[str, Any]:
    """Give the options of kombu's own Redis transport, which has no leases and redelivers a dead worker's messages by
    their age."""
    return {
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "visibility_timeout": visibility_timeout(settings),
    }


def visibility_timeout(settings: Settings) -> float:
    """Give the seconds after which an unacknowledged message is delivered again: twice as long as a batch may run.

    With kombu's default of an hour, what a dead worker held would wait that long.
    """
    return 2 * batch_time_limit(settings)


def batch_time_limit(settings: Settings) -> int:
    """Give the seconds after which Celery kills the process of a batch; the lanes end its calls before that."""
    return math.ceil(BATCH_FACTOR * settings.time_limit) + 5


def _workers(settings: Settings) -> dict[str, Any]:
    return {
        "task_time_limit": settings.hard_time_limit,  # Celery's kill; the call's own limit is enforced by the lane
        "worker_lost_wait": 1.0,  # seconds a result of a dead child may still be under way
        "worker_proc_alive_timeout": 30.0,  # at the default of 4 s, slow starts kill replacement children for ever
        "worker_consumer": "wasmfleet.workers.reception.consumer:TypedConsumer",  # refuses with typed errors
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,  # they cost a third of the throughput; a running Flower turns them on
        "worker_concurrency": settings.concurrency,
        "enable_utc": True,
        "timezone": "UTC",
    }
