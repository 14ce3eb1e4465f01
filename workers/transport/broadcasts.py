"""Broadcasts as they arrive, by Redis' publish and subscribe: remote control, and events for those who watch."""

from typing import Final

from kombu.utils.json import loads

from wasmfleet.workers.transport import messages

MOST_BYTES: Final = 1 << 20


def refusal(raw: bytes) -> str:
    """Why a broadcast is not handed to kombu, or nothing. Only what is small is decoded."""
    if len(raw) > MOST_BYTES:
        return f"it has {len(raw):,} bytes, more than {MOST_BYTES:,}"
    try:
        message = loads(raw)
    except Exception as error:  # noqa: BLE001 - kombu's typed values raise what they like
        return f"it cannot be decoded ({type(error).__name__})"
    if not messages.is_well_formed(message):
        return "it has not the form of a message"
    # Kombu would decompress it before anybody can look at its size.
    return "it is compressed" if (message.get("headers") or {}).get("compression") else ""
