"""Messages that killed their workers, as the broker keeps them: whole, undecoded, by delivery tag.

The broker's script (transport/fetch.lua) keeps a message there once five workers that held it were killed.
"""

from typing import Any

from redis import Redis

from wasmfleet.config.settings import settings
from wasmfleet.workers.errors import InvalidArguments
from wasmfleet.workers.fleet_state import state
from wasmfleet.workers.node import broker
from wasmfleet.workers.transport import messages
from wasmfleet.workers.transport.keys import Keys
from wasmfleet.workers.transport.store import Store


def send_again(tag: str, queue: str, id: str) -> None:
    """Queue a message again under a new id, as if it had never been delivered. Raises InvalidArguments."""
    with _broker() as client:
        keys = _keys()
        raw: Any = client.hget(keys.deadly, tag)
        if raw is None:
            raise InvalidArguments(
                f"the broker does not keep {tag[:80]!r} any more; send the call again yourself"
            )
        try:
            message = messages.renewed(raw, id)
        except Exception as error:  # noqa: BLE001 - kombu's typed values raise what they like
            raise InvalidArguments(f"{tag[:80]!r} cannot be sent again: {error}") from None
        Store(client, keys, "").put(queue, keys.bell(queue), message, 0, ())


def forget(tag: str) -> None:
    """Delete a message for good."""
    with _broker() as client:
        client.hdel(_keys().deadly, tag)


def _broker() -> "Redis":
    return state.at(broker.address(settings()))


def _keys() -> Keys:
    # Not at the top: making the app reads the data folder, and a command must start to report that it is refused.
    from wasmfleet.workers.app import app

    return Keys(app.conf.broker_transport_options.get("global_keyprefix", ""), "unacked", "unacked_index")
