"""The transport that kombu opens for `wasmfleet+redis://host:port/db`, `wasmfleet+rediss://…` and `wasmfleet+socket://…`."""

from typing import Any, Final
from urllib.parse import urlsplit

from kombu.utils.url import parse_url, sanitize_url

from wasmfleet.workers.internals.kombu import RedisTransport
from wasmfleet.workers.transport.channel import Channel
from wasmfleet.workers.transport.poller import Poller

_SCHEMES: Final = ("redis", "rediss", "socket")


class _Address:
    """A kombu connection whose host, port, user, password and database are those of the URL behind the plus sign.

    Kombu leaves that URL whole in `hostname`, as `Transport.can_parse_url` asks it to. Raises ValueError for an address
    that this transport does not know.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        _check(connection)
        if connection.hostname.startswith("socket:"):
            return  # kombu's channel reads such a URL itself
        parts = parse_url(connection.hostname)
        self.hostname, self.port = parts["hostname"], parts["port"]
        self.userid, self.password = parts["userid"], parts["password"]
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
        if include_password:
            return uri.replace("socket://", "redis+socket://", 1) if uri.startswith("socket://") else uri
        return f"wasmfleet+{sanitize_url(uri, mask)}"
