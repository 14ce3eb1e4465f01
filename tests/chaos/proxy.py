"""A TCP proxy whose connections can be turned into black holes: they stay open, but nothing passes."""

import contextlib
import selectors
import socket
import threading


class Proxy:
    """Proxy from a free local port to another port, which can swallow what comes or cut connections."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._swallowed: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def lead_to(self, target: int) -> None:
        """Let new connections lead to another port; those that are open stay where they are."""
        self._target = target

    def leading_to(self, target: int) -> int:
        """Return how many open connections lead to this port."""
        ports = []
        for end in list(self._pairs):
            with contextlib.suppress(OSError):  # it was closed a moment ago
                ports.append(end.getpeername()[1])
        return ports.count(target)

    def swallow(self) -> int:
        """Turn every open connection into a black hole, and return their number; new connections work."""
        self._swallowed |= set(self._pairs)
        return len(self._swallowed) // 2

    def cut(self) -> None:
        """Shut down every open connection."""
        for end in list(self._pairs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        self._thread.join(5)
        for end in [self._listener, *self._pairs]:
            end.close()

    def _forward(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(0.1):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self._pairs |= {client: server, server: client}
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        if end not in self._pairs:  # it was closed a moment ago, together with its other end
            return
        try:
            data = end.recv(1 << 16)
        except OSError:
            data = b""
        if end in self._swallowed and data:
            return
        other = self._pairs[end]
        if data:
            with contextlib.suppress(OSError):
                other.sendall(data)
        else:
            self._part(end, other)

    def _part(self, *ends: socket.socket) -> None:
        for end in ends:
            self._pairs.pop(end, None)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()
