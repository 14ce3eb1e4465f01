"""The transport that kombu opens for `wasmfleet+redis://host:port/db` and `wasmfleet+rediss://…`."""

from typing import Any

from kombu.utils.url import parse_url, sanitize_url

from wasmfleet.workers.transport import stock
from wasmfleet.workers.transport.channel import Channel
from wasmfleet.workers.transport.poller import Poller


class _Address:
    """A kombu connection whose address was behind the plus sign, taken apart."""

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


class Transport(stock.redis.Transport):  # type: ignore[misc]
    """Kombu's transport with our channel and poller."""

    Channel = Channel
    can_parse_url = True

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(_Address(client), **kwargs)
        self.cycle = Poller()

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The plain Redis URL: what Flower and the like can open."""
        return uri if include_password else str(sanitize_url(uri, mask))
