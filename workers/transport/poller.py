"""The event loop's view of the channels."""

import threading
from collections.abc import Callable
from typing import Any, Final

from wasmfleet.workers.transport import stock

_LOOK_AGAIN_S: Final = 0.02


class Poller(stock.redis.MultiChannelPoller):  # type: ignore[misc]
    """Kombu's poller, but a lost connection is its channel's business, and sweeping the keepers'."""

    thread: int | None = None

    def on_poll_init(self, poller: Any) -> None:
        self.poller = poller

    def on_poll_start(self) -> None:
        self.thread = threading.get_ident()
        self._update_brpop_polling()
        for channel in tuple(self._channels):
            channel.tend(self)

    def look_away(self, socket: Any) -> None:
        """Watches a socket no more, if it was watched."""
        self.poller.unregister(socket)

    def maybe_restore_messages(self) -> None:
        """Nothing: see leases."""

    def get(self, callback: Callable[..., Any], timeout: float | None = None) -> Any:
        """Without an event loop: acknowledgements of other threads wake nobody, so a full window looks often."""
        if any(channel.active_queues and not channel._in_poll for channel in self._channels):
            timeout = min(timeout or _LOOK_AGAIN_S, _LOOK_AGAIN_S)
        return super().get(callback, timeout)
