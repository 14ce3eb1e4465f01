"""Messages in Celery's default queue, `celery`, that nobody takes: a worker's log and `wasmfleet doctor` tell of them.

Clients that name no queue send there, those of a fleet and those of other apps. Who waits for an answer would wait for
ever otherwise, and would not be told why.
"""

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from amqp.exceptions import AMQPError, NotFound
from kombu import Connection
from redis import Redis

from wasmfleet.config.celery import ANY, DEFAULT, OURS
from wasmfleet.config.foreign import PREFIX
from wasmfleet.config.settings import OWN_TRANSPORT, Settings
from wasmfleet.workers.counting import counted
from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.internals.kombu import lists_of
from wasmfleet.workers.node import broker
from wasmfleet.workers.safe_text import shown
from wasmfleet.workers.transport.store import as_text, source

#: Seconds between two looks of a worker, and those after which what waits at the head counts as neglected.
EVERY_S: Final = 30.0
PATIENCE_S: Final = 60.0
_SAID: Final = "wasmfleet:neglected"
_SAY_EVERY_S: Final = 60
_MOST_SEEN, _MOST_BYTES = 1000, 4 << 20
_ANSWER_S: Final = 2.0
_log = logging.getLogger("wasmfleet.presence")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the queue: how many calls of this fleet's among the first messages, and how many messages in all.

    `first` is the name of the task that the first message of another app calls, and `digest` the digest of that
    message; both are empty where there is none. RabbitMQ tells neither, and cannot be asked for them.
    """

    calls: int = 0
    messages: int = 0
    first: str = ""
    digest: str = ""


def look(settings: Settings) -> Waiting:
    """Look into the queue without taking anything. Raises redis.RedisError, AMQPError, and OSError."""
    if settings.amqp:
        return _look_at_rabbitmq(settings)
    return _look_at_lists(broker.address(settings))


def complaint(settings: Settings, waiting: Waiting) -> tuple[str, str]:
    """Say what is wrong where all of this has waited for a while, and how to mend it; nothing for an empty queue."""
    if waiting.calls and not settings.serves_default_queue:
        how = (
            f"set {PREFIX}SERVE_DEFAULT_QUEUE=true"
            if settings.own_transport
            else f"reach the broker as {OWN_TRANSPORT}redis://"
        )
        calls = counted(waiting.calls, "call of this fleet waits", "calls of this fleet wait")
        finding = f"{calls} in the queue {DEFAULT}, which it does not serve"
        return finding, f"name the queue {ANY} in calls, or {how}"
    if waiting.calls:
        finding = f"calls of this fleet wait in the queue {DEFAULT} behind many messages that nobody takes"
        return finding, f"start the workers that those are for, or name the queue {ANY} in calls"
    if waiting.messages and settings.amqp:
        messages = counted(waiting.messages, "message waits", "messages wait")
        finding = f"{messages} in the queue {DEFAULT}, which nobody consumes"
        return finding, f"name the queue {ANY} in calls of this fleet; start the workers that others are for"
    if waiting.digest:
        which = f"the first calls {shown(waiting.first)!r}" if waiting.first else "the first is no call"
        messages = counted(
            waiting.messages,
            "message that is not this fleet's waits",
            "messages that are not this fleet's wait",
        )
        finding = f"{messages} in the queue {DEFAULT}; {which}"
        return finding, "start the worker that they are for"
    return "", ""


class Watch:
    """A worker's looks into the queue. Of all workers of a fleet, one complains each minute."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = Waiting()
        self._since = self._looked_at = time.monotonic()

    def look(self, connection: "Redis") -> None:
        """Look, unless that was done a moment ago, and log a warning where messages are neglected.

        `connection` leads to the state that the fleet shares. Raises redis.RedisError.
        """
        now = time.monotonic()
        if now - self._looked_at < EVERY_S:
            return
        self._looked_at = now
        try:
            seen = look(self._settings)
        except (AMQPError, OSError):
            return
        if self._has_moved(seen):
            self._since = now
        self._seen = seen
        finding, mend = complaint(self._settings, seen)
        is_served = self._settings.serves_default_queue
        if finding and ((seen.calls and not is_served) or now - self._since >= PATIENCE_S):
            _say(connection, finding, mend)

    def _has_moved(self, seen: Waiting) -> bool:
        before = self._seen
        return seen.digest != before.digest or not seen.messages or not before.messages


def _say(connection: "Redis", finding: str, mend: str) -> None:
    if connection.set(_SAID, 1, nx=True, ex=_SAY_EVERY_S - 5):
        _log.warning("%s: %s", finding, mend)


def _look_at_lists(url: str) -> Waiting:
    lists = lists_of(DEFAULT)
    found: Any = _client(url).eval(source("peek"), len(lists), *lists, OURS, _MOST_SEEN, _MOST_BYTES)
    calls, messages, first, digest = found
    return Waiting(calls, messages, as_text(first), as_text(digest))


@cache
def _client(url: str) -> "Redis":
    """Return the one client that this process looks with: to connect costs more commands than to look."""
    return state.at(url)


def _look_at_rabbitmq(settings: Settings) -> Waiting:
    with Connection(settings.broker_url, connect_timeout=_ANSWER_S) as connection:
        channel: Any = connection.default_channel
        try:
            told = channel.queue_declare(DEFAULT, passive=True)
        except NotFound:
            return Waiting()
    return Waiting() if told.consumer_count else Waiting(messages=told.message_count)
