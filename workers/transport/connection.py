"""The transport that kombu opens for `wasmfleet+redis://host:port/db`, `wasmfleet+rediss://…` and `wasmfleet+socket://…`."""

import re
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from kombu.utils.url import parse_url, sanitize_url

from wasmfleet.workers.internals.kombu import RedisTransport
from wasmfleet.workers.transport.channel import Channel
from wasmfleet.workers.transport.poller import Poller

_SCHEMES: Final = ("redis", "rediss", "socket")
_URL: Final = re.compile(r"(\w+://)([^/?]*)(.*)", re.DOTALL)


class _Address:
    """A kombu connection whose host, port, user, password and database are those of the URL behind the plus sign.

    Kombu leaves that URL whole in `hostname`, as `Transport.can_parse_url` asks it to. Raises ValueError for an address
    that this transport does not know.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        _check(connection)
        _hide_password(connection)
        if connection.hostname.startswith("socket:"):  # kombu's channel reads such a URL itself
            self.hostname = _with_password(connection.hostname, connection.password)
            return
        parts = parse_url(connection.hostname)
        self.hostname, self.port = parts["hostname"], parts["port"]
        self.userid, self.password = parts["userid"] or connection.userid, connection.password
        self.virtual_host = parts["virtual_host"]
        self.credential_provider = connection.credential_provider or parts.get("credential_provider")
        secure = {"ssl_cert_reqs": "required"} if parts["transport"] == "rediss" else False
        self.ssl = connection.ssl or parts.get("ssl") or secure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _check(connection: Any) -> None:
    scheme = urlsplit(connection.hostname).scheme
    if scheme not in _SCHEMES:
        allowed = ", ".join(f"wasmfleet+{one}://" for one in _SCHEMES)
        raise ValueError(f"wasmfleet+{scheme}:// is no address of this transport; it takes {allowed}")
    if len(connection.alt or ()) > 1:
        raise ValueError(
            "this transport takes one URL: it stays with its broker, and never moves to another one"
        )


def _hide_password(connection: Any) -> None:
    """Move a connection's password from its URL to where kombu keeps it: `inspect stats` and Flower show the URL."""
    scheme, user, place = _taken_apart(connection.hostname)
    name, colon, password = user.partition(":")
    if colon:
        connection.password = unquote(password)
        connection.hostname = f"{scheme}{name}{'@' if name else ''}{place}"


def _with_password(url: str, password: Any) -> str:
    """Write a password into a URL that has none."""
    if not isinstance(password, str) or not password:
        return url
    scheme, name, place = _taken_apart(url)
    return f"{scheme}{name}:{quote(password, safe='')}@{place}"


def _taken_apart(url: str) -> tuple[str, str, str]:
    """Split a URL into its scheme, what stands before its @ (empty where there is none), and the rest."""
    scheme, authority, path = _URL.fullmatch(url).groups()  # type: ignore[union-attr]
    user, _, host = authority.rpartition("@")
    return scheme, user, host + path


class Transport(RedisTransport):  # type: ignore[misc]
    """Kombu's Redis transport with our channel and poller."""

    Channel = Channel
    can_parse_url = True

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(_Address(client), **kwargs)
        self.cycle = Poller()

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Give the URL behind the plus sign, which Flower and others can open; without its password, give it whole, as
        logs and banners show it."""
        uri = _with_password(uri, self.client.password)
        if include_password:
            return uri.replace("socket://", "redis+socket://", 1) if uri.startswith("socket://") else uri
        return f"wasmfleet+{sanitize_url(uri, mask)}"
