"""Flower behind a guard: pages of other sites in an operator's browser can neither read it nor give orders.

`python -m wasmfleet.workers.node.flower` is Celery's program `celery`, with a `flower` command that starts the guarded
application.
"""

import logging
import re
import sys
from functools import cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from celery.bin.celery import celery
from celery.bin.celery import main as run
from flower import command
from flower.app import Flower
from tornado.web import RequestHandler

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import settings
from wasmfleet.workers import log_lines

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_UNFRAMED: Final = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Guarded(Flower):  # type: ignore[misc]
    """Flower's application (2.2, on Tornado 6.6), which answers only under its own names and to its own pages."""

    def find_handler(self, request: Any, **kwargs: Any) -> Any:
        """Choose what answers a request. Tornado's method, preceded by the guard.

        Every request comes through here, those of websockets and of Flower's API included.
        """
        if why := refusal(request):
            return self.get_handler_delegate(request, _Refusal, {"why": why})
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(self, request: Any, target_class: Any, *args: Any, **kwargs: Any) -> Any:
        """Make what runs a handler. Tornado's method, with a handler that is ours in two points; see `_guarded`."""
        return super().get_handler_delegate(request, _guarded(target_class), *args, **kwargs)


class _Refusal(RequestHandler):
    """A handler that answers 403 with the reason, whatever the method."""

    def initialize(self, why: str) -> None:
        self._why = why

    def check_xsrf_cookie(self) -> None:
        pass

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(self._why + "\n")


def refusal(request: Any) -> str:
    """Return why Flower must not answer a request, or "".

    A site can make its name point to this machine, and its pages then ask Flower as if it were part of the site (DNS
    rebinding). The site's name still stands in `Host`. The port is not checked: a tunnel may have another one.
    """
    hosts = request.headers.get_list("Host")
    host = _name(hosts[0]) if len(hosts) == 1 else ""
    if not host:
        return "a request needs one Host header"
    if not _is_ours(host):
        return f"this Flower is not known as {host}; WASMFLEET_FLOWER_HOSTS={host} makes it known"
    if not request.uri.startswith("/"):
        return "a request must name a path"
    return _foreign(request, hosts[0])


def _foreign(request: Any, host: str) -> str:
    """Return why a request may come from a page of another site, or "". Following a link from there is allowed."""
    for origin in request.headers.get_list("Origin"):
        url = urlsplit(origin)
        if url.netloc.lower() != host.lower() and url.hostname not in settings().flower_hosts:
            return f"a page of another origin sent this; WASMFLEET_FLOWER_HOSTS={url.hostname or 'NAME'} allows it"
    fetch = {name: request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest")}
    if fetch["Site"] in ("", "same-origin", "none"):
        return ""
    follows_a_link = fetch["Mode"] == "navigate" and fetch["Dest"] == "document"
    return "" if follows_a_link and request.method in ("GET", "HEAD") else "a page of another site sent this"


def _is_ours(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host in (settings().flower_address.lower(), *settings().flower_hosts)
    named = [text for text in (settings().flower_address, *settings().flower_hosts) if _is_address(text)]
    return address.is_loopback or any(ip_address(text.strip("[]")) == address for text in named)


def _is_address(text: str) -> bool:
    try:
        return not ip_address(text.strip("[]")).is_unspecified
    except ValueError:
        return False


def _name(host: str) -> str:
    """Return the name or address in a Host header, in lower case and without its port; "" where it is malformed."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


@cache
def _guarded(handler: Any) -> Any:
    """Make a subclass of a handler whose answers no page may show in a frame, and which knows the fleet's queues."""

    class GuardedHandler(handler):  # type: ignore[misc]
        def set_default_headers(self) -> None:
            super().set_default_headers()
            for name, value in _UNFRAMED.items():
                self.set_header(name, value)

        def get_active_queue_names(self) -> list[str]:
            """Name every queue of the fleet; Flower (2.2, views/__init__.py) names those that a worker serves now.

            A queue that nobody serves is the one whose length somebody has to see.
            """
            return sorted(
                {*super().get_active_queue_names(), *queues.lane_queues(settings()), queues.DEFAULT}
            )

    return GuardedHandler


def main() -> None:
    """Run Celery's program with a `flower` command that starts the guarded application."""
    handler = logging.StreamHandler()  # Tornado adds no handler of its own where there is one
    handler.setFormatter(log_lines.formatter(settings()))
    logging.basicConfig(handlers=[handler])
    # The command makes its application from the class of this name (flower/command.py, 2.2).
    command.Flower = Guarded
    celery.add_command(command.flower)
    sys.exit(run())


if __name__ == "__main__":
    main()
