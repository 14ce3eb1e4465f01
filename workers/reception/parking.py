"""Calls that are to run later: a large body is left in the broker ("parked") and fetched again when it is due.

A worker may hold any number of such calls, some for days; their arguments would fill its main process.
"""

from datetime import timedelta
from typing import Any, Final

from wasmfleet.workers.internals import kombu
from wasmfleet.workers.transport import messages

_PARKED_FROM_BYTES: Final = 16 << 10
_SOON: Final = timedelta(
    seconds=1
)  # a call that is due within this time is not parked: it would be fetched at once


def waits(message: Any) -> bool:
    """Whether a message is a call that is to run later than in a second."""
    return messages.waits(message.headers, _SOON)


def park(message: Any) -> bool:
    """Forget the body of a call that is to run later, and return whether that was done.

    It is done for bodies from 16 KiB on, and with our own transport alone, for others cannot give a body again.
    """
    is_small = len(message.body or b"") < _PARKED_FROM_BYTES
    if is_small or not hasattr(message.channel, "body_of") or not waits(message):
        return False
    message.body = b""
    kombu.drop_raw(message)
    return True


def fetch(message: Any) -> bytes:
    """Fetch a parked body. Raises redis.RedisError, and LookupError where another worker has the message by now."""
    body: bytes = message.channel.body_of(message.delivery_tag)
    return body
