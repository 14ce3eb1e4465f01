"""Messages to systemd, for units with Type=notify and WatchdogSec: sd_notify(3), the part that a service needs."""

import contextlib
import os
import socket


def tell(state: str) -> None:
    """Send a state, such as READY=1, where systemd started this process; else do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    where = "\0" + address[1:] if address.startswith("@") else address
    # A service manager that is gone is no reason to fail, and one that does not read must not hold this process up.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)
        connection.sendto(state.encode(), where)
