"""The checks of `wasmfleet doctor` on the fleet: broker, workers, quarantine, Flower."""

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from wasmfleet.config.settings import MIB, Settings, without_password
from wasmfleet.workers.cli import worker_checkups
from wasmfleet.workers.cli.checkup import Checkup, ok, problem, warning
from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import BrokerUnavailable

if TYPE_CHECKING:
    from redis import Redis

_BROKER_S: Final = 1.0
_FLOWER_S: Final = 1.0
_DEFAULT_QUEUE_S: Final = 0.5


def examine(settings: Settings, *, whole: bool = False) -> Iterator[Checkup]:
    """Make every check of the fleet, the broker's first: without the broker nothing else can be checked.

    With `whole`, the workers are compared with each other and what they report is told, else with this process.
    """
    from redis import RedisError

    from wasmfleet.workers.fleet_state import heartbeats, quarantine, state
    from wasmfleet.workers.node import broker

    try:
        url = broker.wait(settings, _BROKER_S)
    except BrokerUnavailable as error:
        mend = (
            "start the fleet with `wasmfleet up`"
            if settings.embedded
            else "start it, or correct WASMFLEET_BROKER_URL"
        )
        yield problem("broker", str(error), mend)
        return
    shown = without_password(broker.celery_url(settings))
    yield ok("broker", f"{'embedded' if settings.embedded else 'external'}, {shown}")
    if settings.embedded:
        yield from _open_to_all(url)
    try:
        with state.client(settings) as connection:
            if settings.amqp:
                yield _consumer_timeout(settings)
            elif not settings.embedded:
                yield from _durability(settings, url)
            if not settings.amqp:
                yield from _published_results(settings, connection)
            yield from worker_checkups.examine(settings, heartbeats.present(connection), whole=whole)
            yield from _quarantine(quarantine.count())
        yield from _default_queue(settings)
    except RedisError as error:
        yield problem(
            "workers", f"the heartbeats cannot be read: {error}", "check WASMFLEET_STATE_URL and its server"
        )
    yield _flower(settings)


def _open_to_all(url: str) -> Iterator[Checkup]:
    """Report an embedded broker that asks for no password: one that an older version started, until its restart."""
    from urllib.parse import urlsplit

    from redis import Redis, RedisError

    parts = urlsplit(url)
    nobody = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        with Redis.from_url(nobody, socket_timeout=_BROKER_S, socket_connect_timeout=_BROKER_S) as connection:
            connection.ping()
    except RedisError:
        return
    yield problem("broker", "it serves everybody without a password", "restart the fleet")


def _durability(settings: Settings, url: str) -> Iterator[Checkup]:
    """Report settings with which an external broker may lose messages that it has confirmed."""
    import redis

    if not settings.own_transport:
        yield warning(
            "broker",
            "over redis://, a worker that is killed can lose the message it was just taking",
            "write wasmfleet+redis:// in WASMFLEET_BROKER_URL",
        )
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as connection:
        for name, wanted, risk in (
            ("appendonly", "yes", "a restart of the broker loses tasks"),
            ("appendfsync", "always", "a crash of the broker's machine loses the tasks of the last second"),
            ("maxmemory-policy", "noeviction", "it may drop queued tasks when memory is short"),
        ):
            value = _configured(connection, name)
            if not value:
                yield warning(
                    "broker",
                    f"{name} cannot be read; unless it is {wanted}, {risk}",
                    "give its user the right +config|get",
                )
            elif value != wanted:
                yield warning("broker", f"{name} is {value}: {risk}", f"run CONFIG SET {name} {wanted} on it")


def _published_results(settings: Settings, connection: "Redis") -> Iterator[Checkup]:
    """Compare the server's limit for subscribers with the largest result.

    The server cuts one off that lags by more. Callers with this package read large results from their key; a plain
    Celery client is published all of them.
    """
    found = re.search(r"pubsub ([0-9]+)", _configured(connection, "client-output-buffer-limit"))
    given, usual, largest = int(found[1]) if found else 0, 32 * MIB, settings.max_output * MIB
    if 0 < given < min(usual, largest):
        finding = (
            f"it cuts off who lags by {given / MIB:,.1f} MiB; results may have {settings.max_output} MiB"
        )
        mend = "run CONFIG SET client-output-buffer-limit 'pubsub 33554432 8388608 60' on it"
        yield warning("results", f"{finding}, and plain Celery clients would miss them", mend)


def _consumer_timeout(settings: Settings) -> Checkup:
    """Compare RabbitMQ's consumer_timeout with the longest time that a message may be held.

    RabbitMQ closes the channel of a consumer that leaves a message unacknowledged for longer.
    """
    from wasmfleet.workers.node import consumer_timeout

    needed_s = consumer_timeout.needed_s(settings)
    allowed_s = consumer_timeout.read_s(settings)
    allows = (
        f"consumer_timeout is {allowed_s:,.0f} s"
        if allowed_s
        else "consumer_timeout cannot be read from here"
    )
    finding = f"{allows}; a message may be held for {needed_s:,.0f} s"
    if needed_s < (allowed_s or consumer_timeout.DEFAULT_S):
        return ok("broker", finding)
    mend = f"set consumer_timeout = {2000 * needed_s:.0f} in its rabbitmq.conf, or WASMFLEET_TIME_LIMIT lower"
    return warning("broker", f"{finding}, and is then delivered again", mend)


def _configured(connection: "Redis", name: str) -> str:
    import redis

    try:
        found: Any = connection.config_get(name)
    except redis.ResponseError:
        return ""
    return next((v.decode() if isinstance(v, bytes) else str(v) for v in found.values()), "")


def _quarantine(count: int) -> Iterator[Checkup]:
    if count:
        finding = counted(count, "message is set aside", "messages are set aside")
        yield warning("quarantine", finding, "see `wasmfleet quarantine list` for why")


def _default_queue(settings: Settings) -> Iterator[Checkup]:
    """Report messages that wait in Celery's default queue; calls of this fleet may be under way there for a moment."""
    from amqp.exceptions import AMQPError

    from wasmfleet.workers.fleet_state import neglected

    try:
        before = neglected.look(settings)
        time.sleep(_DEFAULT_QUEUE_S if before.messages else 0)
        finding, mend = neglected.complaint(settings, neglected.look(settings) if before.messages else before)
    except (AMQPError, OSError) as error:
        finding, mend = f"the queue `celery` cannot be looked at: {error}", "check WASMFLEET_BROKER_URL"
    if finding:
        yield warning("default queue", finding, mend)


def _flower(settings: Settings) -> Checkup:
    from wasmfleet.workers.node import addresses

    url = addresses.flower(settings)
    if addresses.flower_trouble(url, _FLOWER_S):
        return ok("Flower", f"is not running; it would be at {url}")
    return ok("Flower", url)
