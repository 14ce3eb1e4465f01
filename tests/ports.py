"""TCP ports of this machine that no other test process takes meanwhile."""

import errno
import random
import socket
from typing import Final

#: Ports below the range of outgoing connections, one of which could take a port before its server does.
#: Only every tenth is used, because a broker whose port is taken moves to one of the next.
_PORTS: Final = range(10_000, 32_000, 10)


def free_port() -> int:
    """Reserve a port of 127.0.0.1 on which nothing listens, until this process ends.

    Several pytest processes run side by side, and minutes may pass until a server listens on its port.
    """
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if _reserve(port) and _is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"none of {_PORTS} is free")


def _reserve(port: int) -> bool:
    """Bind a name that the kernel frees when this process ends; return False when another process has it."""
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reservation.bind(f"\0wasmfleet-tests-port-{port}")
    except OSError:
        reservation.close()
        return False
    reservation.detach()  # the socket stays open until this process ends
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
