"""The part of the event loop that looks after the channels: it asks for messages and watches for answers."""

import threading
from collections.abc import Callable
from typing import Any, Final

from wasmfleet.workers.internals.kombu import RedisPoller

_LOOK_AGAIN_S: Final = 0.02


class Poller(RedisPoller):
    """Kombu's poller (5.7), but each channel mends its own connection, and nothing is swept by age.

    What a dead worker held is handed on by the keepers' threads; see `leases`.
    """

    thread: int | None = None  # the thread that runs the event loop

    def on_poll_init(self, poller: Any) -> None:
        """Take the event loop's poller. Kombu's own sweeps for abandoned messages here as well."""
        self.poller = poller

    def on_poll_start(self) -> None:
        """Tend every channel: once in each turn of the event loop."""
        self.thread = threading.get_ident()
        self.pause_full_channels()
        for channel in self.channels:
            channel.tend(self)

    def look_away(self, socket: Any) -> None:
        """Watch a socket no longer, if it was watched."""
        self.poller.unregister(socket)

    def maybe_restore_messages(self) -> None:
        """Do nothing. Kombu's own sweeps for abandoned messages here."""

    def get(self, callback: Callable[..., Any], timeout: float | None = None) -> Any:
        """Wait for one event, at most `timeout` seconds, where no event loop runs.

        With a full window nothing is asked of the broker, so no answer wakes this thread when another one acknowledges
        a message. It then looks 50 times a second whether there is room.
        """
        if any(channel.active_queues and not channel.awaited for channel in self.channels):
            timeout = min(timeout or _LOOK_AGAIN_S, _LOOK_AGAIN_S)
        return super().get(callback, timeout)
