"""Broadcasts that arrive by Redis' publish and subscribe: orders to workers, and events for those who watch."""

from typing import Final

from kombu.utils.json import loads

from wasmfleet.workers.transport import messages

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
