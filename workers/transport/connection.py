"""The transport that kombu opens for `wasmfleet+redis://host:port/db` and `wasmfleet+rediss://…`."""

from typing import Any

from kombu.utils.url import parse_url, sanitize_url

from wasmfleet.workers.internals.kombu import RedisTransport
from wasmfleet.workers.transport.channel import Channel
from wasmfleet.workers.transport.poller import Poller


class _Address:
    """A kombu connection whose host, port, user, password and database are those of the URL behind the plus sign.

    Kombu leaves that URL whole in `hostname`, as `Transport.can_parse_url` asks it to.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        parts = parse_url(connection.hostname)
        self.hostname, self.port = parts["hostname"], parts["port"]
        self.userid, self.password = parts["userid"], parts["password"]
        self.virtual_host = parts["virtual_host"]
        secure = {"ssl_cert_reqs": "required"} if parts["transport"] == "rediss" else False
        self.ssl = connection.ssl or parts.get("ssl") or secure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Transport(RedisTransport):  # type: ignore[misc]
    """Kombu's Redis transport with our channel and poller."""

    Channel = Channel
    can_parse_url = True

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(_Address(client), **kwargs)
        self.cycle = Poller()

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Give the plain Redis URL behind the plus sign, which Flower and others can open."""
        return uri if include_password else str(sanitize_url(uri, mask))
