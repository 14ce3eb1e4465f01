"""The brake on calls that go back to their queue because a part of the fleet is away: pauses that grow each time.

Without it, a call whose result cannot be stored runs again as fast as its worker can. Its message stays with the worker
during the pause, so that it counts against what this may hold; where the worker ends meanwhile, it is handed on.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from wasmfleet.workers.reception.intake import intake
from wasmfleet.workers.transport.messages import RETURNED

#: Seconds before a call goes back for the first time, the second, and so on. The last is short enough that a call is
#: answered within ten seconds after a repair.
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: RabbitMQ's count of how often a message was given back, where our own transport has `RETURNED`.
_RABBITMQ: Final = "x-delivery-count"


def later(headers: Mapping[str, Any], give_back: Callable[[], Any]) -> None:
    """Call `give_back` after the pause that is due to a message with these headers, at random a little more or less."""
    pause_s = PAUSES_S[min(times(headers), len(PAUSES_S) - 1)]
    intake.after(pause_s * random.uniform(0.8, 1.2), give_back)


def times(headers: Mapping[str, Any]) -> int:
    """Return how often a message went back, as far as its headers tell; a sender may have written anything there."""
    counts = (headers.get(name) for name in (RETURNED, _RABBITMQ))
    return max((count for count in counts if isinstance(count, int) and count > 0), default=0)
