"""The options of the transport, as an app gives them in `broker_transport_options`, with their defaults."""

from typing import Final

from wasmfleet.workers.transport.keys import Keys
from wasmfleet.workers.transport.reconnecting import Reconnecting
from wasmfleet.workers.transport.store import ANY

_DEATHS_ALONE: Final = 3
_OWN: Final = (
    *("max_deaths", "queue_limit", "limited_queues", "queue_weights"),
    *("guarded", "message_bytes", "held_bytes", "claim"),  # of a fleet
)


class Options(Reconnecting):
    """A channel's options: those of kombu's Redis transport, some with other defaults, and those of our own.

    `ack_emulation` is left out, because every message is booked. The defaults are those for an app that knows nothing
    else of this package; `config/celery.py` has those of a fleet.
    """

    # Firewalls drop connections in silence; without limits a hung one is noticed after two minutes.
    socket_timeout = 5.0
    socket_connect_timeout = 5.0
    socket_keepalive = True
    health_check_interval = 5
    max_deaths = 10  # workers that may die with a message before it is set aside; 0 for any number
    queue_limit = 0  # messages that may wait in one of `limited_queues`; 0 for any number
    limited_queues: tuple[str, ...] = ()
    #: How many messages of a queue are taken before the next queue has its turn; 1 where it is not named.
    queue_weights: dict[str, int] = {}
    guarded = False  # whether the consumer is a fleet's, which takes stubs of what it should not have
    message_bytes = 0  # what one message may have where `guarded`; 0 for any number
    claim: tuple[str, str, str] | None = None  # a Claim: what is ours in a queue that other programs use too
    held_bytes = 0  # what all messages that this channel holds may have; 0 for any number
    from_transport_options = (
        *(option for option in Reconnecting.from_transport_options if option != "ack_emulation"),
        *_OWN,
    )

    @property
    def keys(self) -> Keys:
        """The names of the keys that the transport uses in this channel's database."""
        return Keys(self.global_keyprefix, self.unacked_key, self.unacked_index_key, self.sep)

    def limit_of(self, queue: str) -> int:
        """How many messages may wait in a queue; 0 for any number."""
        return self.queue_limit if queue in self.limited_queues else 0

    @property
    def alone_from(self) -> int:
        """Deaths of workers after which a message is taken alone: three more are then known to be its doing."""
        return max(self.max_deaths - _DEATHS_ALONE, 1) if self.max_deaths else ANY

    @property
    def deaths_to_stub(self) -> int:
        """Deaths of workers after which a fleet's consumer gets a stub in place of the message."""
        return self.max_deaths if self.guarded and self.max_deaths else ANY

    @property
    def deaths_to_set_aside(self) -> int:
        """Deaths of workers after which a message goes to the queue of such messages; 0 for any number."""
        return 0 if self.guarded else self.max_deaths
