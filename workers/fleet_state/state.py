"""Redis clients for the state that all processes of a fleet share: heartbeats, deaths, quarantine, cancelled calls."""

import os
from functools import cache
from typing import TYPE_CHECKING

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.internals.redis_masters import client_of
from wasmfleet.workers.node import broker

if TYPE_CHECKING:
    from redis import Redis

_TIMEOUT_S = 2
_PROBE = "wasmfleet:probe:state"


def client(settings: Settings) -> "Redis":
    """Make a client of the server that WASMFLEET_STATE_URL names, else of the broker."""
    return at(settings.state_url or broker.address(settings))


def at(url: str) -> "Redis":
    """Make a client of the server at this URL, whose answers are awaited for two seconds."""
    return client_of(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)


@cache
def shared() -> "Redis":
    """Return this process's one client, which threads may share."""
    return client(settings())


def probe() -> None:
    """Try to write something that expires. Raises redis.RedisError where the state cannot be written."""
    shared().set(_PROBE, b"", ex=60)


os.register_at_fork(after_in_child=shared.cache_clear)
