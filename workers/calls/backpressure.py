"""Hold publishers back while too much is queued: FleetBusy at once, or after WASMFLEET_BUSY_WAIT seconds."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from wasmfleet.config.settings import settings
from wasmfleet.workers.app import app
from wasmfleet.workers.errors import FleetBusy
from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.internals.kombu import lists_of
from wasmfleet.workers.node import broker

R = TypeVar("R")
_LOOK_EVERY_S: Final = 1.0
_PAUSE_S: Final = (0.05, 0.25)
#: A script for the server: the earliest `queued_at` of the messages that are next in these lists, so that no message
#: is sent here to be looked at.
_OLDEST: Final = """
local oldest = 0
for _, list in ipairs(KEYS) do
  local message = redis.call('LINDEX', list, -1)
  local at = message and tonumber(message:match('"queued_at": *([%d%.]+)')) or 0
  if at > 0 and (oldest == 0 or at < oldest) then oldest = at end
end
return tostring(oldest)
"""


@dataclass(slots=True)
class _Ages:
    """What was last seen of each queue: when it was looked at (monotonic), and the Unix time since which its oldest
    message has waited. `watched` is false where nothing is held back."""

    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    watched: bool = True


_ages: Final = _Ages()


def exempt() -> None:
    """Hold nothing back in this process: a worker only sends on what the fleet has accepted already."""
    _ages.watched = False


def patiently(send: Callable[[], R]) -> R:
    """Call `send` until the fleet is no longer busy, and give what it gives.

    Raises FleetBusy after WASMFLEET_BUSY_WAIT seconds.
    """
    give_up = time.monotonic() + settings().busy_wait
    while True:
        try:
            return send()
        except FleetBusy:
            if time.monotonic() >= give_up:
                raise
            time.sleep(random.uniform(*_PAUSE_S))


def check_age(queue: str) -> None:
    """Raise FleetBusy where the oldest message of a queue has waited longer than WASMFLEET_QUEUE_AGE seconds.

    The server is asked once a second at most.
    """
    limit_s = settings().queue_age
    if not limit_s or not _ages.watched:
        return
    waited_s = _waited_s(queue)
    if waited_s > limit_s:
        raise FleetBusy(
            f"the oldest message in {queue} has waited {waited_s:.0f} s; WASMFLEET_QUEUE_AGE allows {limit_s:g}; "
            "nothing was queued"
        )


def _waited_s(queue: str) -> float:
    looked, since = _ages.seen.get(queue, (-_LOOK_EVERY_S, 0.0))
    if time.monotonic() - looked >= _LOOK_EVERY_S:
        since = _oldest(queue)
        _ages.seen[queue] = (time.monotonic(), since)
    return time.time() - since if since else 0.0


def _oldest(queue: str) -> float:
    """Ask the server at which Unix time the oldest message was queued; 0 where that is not known."""
    lists = lists_of(app.conf.broker_transport_options.get("global_keyprefix", "") + queue)
    with state.at(broker.address(settings())) as connection:
        return float(connection.register_script(_OLDEST)(keys=lists))
