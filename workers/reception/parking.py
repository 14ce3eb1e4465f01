"""Calls that wait for their time: a large body stays in the broker, and is taken again when it is due.

A worker holds any number of such calls, some for days; their arguments would fill its main process.
"""

from datetime import timedelta
from typing import Any, Final

from wasmfleet.workers.internals import kombu
from wasmfleet.workers.transport import messages

_PARKED_FROM_BYTES: Final = 16 << 10
_SOON: Final = timedelta(seconds=1)  # what is due by then is kept, or it would come and go


def waits(message: Any) -> bool:
    """Whether a call is to run later."""
    return messages.waits(message.headers, _SOON)


def park(message: Any) -> bool:
    """Forgets the body of a call that waits where that is worth it and the broker has it: on our own transport."""
    is_small = len(message.body or b"") < _PARKED_FROM_BYTES
    if is_small or not hasattr(message.channel, "body_of") or not waits(message):
        return False
    message.body = b""
    kombu.drop_raw(message)
    return True


def fetch(message: Any) -> bytes:
    """The body again. Raises redis.RedisError, and LookupError where another worker has the message by now."""
    body: bytes = message.channel.body_of(message.delivery_tag)
    return body
