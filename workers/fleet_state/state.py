"""Redis clients for the state that all processes of a fleet share: heartbeats, deaths, quarantine, cancelled calls."""

import os
from functools import cache

from redis import Redis

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.node import broker

_TIMEOUT_S = 2


def client(settings: Settings) -> "Redis":
    """Make a client of the server that WASMFLEET_STATE_URL names, else of the broker."""
    return at(settings.state_url or broker.address(settings))


def at(url: str) -> "Redis":
    """Make a client of the server at this URL, whose answers are awaited for two seconds."""
    connection: Redis = Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    return connection


@cache
def shared() -> "Redis":
    """Return this process's one client, which threads may share."""
    return client(settings())


os.register_at_fork(after_in_child=shared.cache_clear)
