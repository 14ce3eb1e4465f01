"""A bell that wakes a thread out of its wait for a socket."""

import contextlib
import selectors
import socket
from typing import Any


class Wake:
    """A bell: any thread rings it with `up`, and one thread waits for it, and for a socket beside it."""

    def __init__(self) -> None:
        self._ringing, self._heard = socket.socketpair()
        self._ringing.setblocking(False)
        self._heard.setblocking(False)

    def up(self) -> None:
        """Wake the thread that waits, or let its next wait end at once."""
        with contextlib.suppress(BlockingIOError):  # it has been rung so often that it will be heard
            self._ringing.send(b"\0")

    def wait(self, beside: Any, timeout_s: float | None) -> None:
        """Wait until the bell rings, the socket `beside` (None for none) has something to read, or time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._heard, selectors.EVENT_READ)
            if beside is not None:
                selector.register(beside, selectors.EVENT_READ)
            selector.select(timeout_s)
        with contextlib.suppress(BlockingIOError):
            while self._heard.recv(4096):
                pass
