"""Where the fleet keeps what its processes share: heartbeats, deaths, the quarantine, cancelled calls."""

import os
from functools import cache

from redis import Redis

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.node import broker

_TIMEOUT_S = 2


def client(settings: Settings) -> "Redis":
    """A new client of WASMFLEET_STATE_URL, or of the broker."""
    return at(settings.state_url or broker.address(settings))


def at(url: str) -> "Redis":
    """A new client of the server at this URL."""
    connection: Redis = Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    return connection


@cache
def shared() -> "Redis":
    """This process's client, safe between threads."""
    return client(settings())


os.register_at_fork(after_in_child=shared.cache_clear)
