"""Broadcasts that arrive by Redis' publish and subscribe: orders to workers, and events for those who watch."""

import logging
from typing import Any, Final

from kombu.utils.json import loads

from wasmfleet.workers.internals.redis_masters import LOST
from wasmfleet.workers.transport import messages
from wasmfleet.workers.transport.options import Options

_log = logging.getLogger("wasmfleet.transport")
MOST_BYTES: Final = 1 << 20


def refusal(raw: bytes) -> str:
    """Say why a broadcast must not be handed to kombu; empty where it may. A large one is not decoded to find out."""
    if len(raw) > MOST_BYTES:
        return f"it has {len(raw):,} bytes, more than {MOST_BYTES:,}"
    try:
        message = loads(raw)
    except Exception as error:  # noqa: BLE001 - kombu's decoders of typed values raise what they like
        return f"it cannot be decoded ({type(error).__name__})"
    if not messages.is_well_formed(message):
        return "it has not the form of a message"
    # Kombu would decompress it before anybody can look at its size.
    return "it is compressed" if (message.get("headers") or {}).get("compression") else ""


class Hearing(Options):
    """A channel that drops broadcasts which must not be decoded, or cannot be."""

    def read_broadcasts(self) -> Any:
        """Read the broadcasts that have arrived. One that cannot be read is dropped, whatever reading it raises."""
        try:
            received = super().read_broadcasts()
        except LOST as error:
            self.stop_listening()
            self.lose(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a broadcast carries, it ends no worker
            self.stop_listening()
            _log.warning("a broadcast cannot be read; it is dropped: %s", type(error).__name__)
            return False
        self.note_success()
        return received

    def parse_broadcast(self, client: Any, response: Any) -> Any:
        """Take a broadcast apart as kombu does (5.7), and empty one that must not be decoded, which drops it."""
        received = super().parse_broadcast(client, response)
        data = received["data"]
        if self.guarded and isinstance(data, bytes) and (why := refusal(data)):
            _log.warning("a broadcast is dropped: %s", why)
            received["data"] = b""
        return received
