"""The names of the keys that the transport uses in the broker's database."""

from dataclasses import dataclass

from wasmfleet.workers.internals.kombu import SEPARATOR


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the keys, each with the prefix that kombu's option `global_keyprefix` sets."""

    prefix: str
    unacked: str
    index: str
    sep: str = SEPARATOR  # stands between a queue's name and a priority in a list's name

    @property
    def bookings(self) -> list[str]:
        """Kombu's two: the hash of held messages by their tags, and the times at which they were taken or renewed."""
        return [self.prefix + self.unacked, self.prefix + self.index]

    @property
    def holders(self) -> str:
        """The sorted set of holders; the score says when each was renewed."""
        return f"{self.prefix}{self.unacked}_holders"

    def leases(self, holder: str) -> str:
        """The hash of a holder's leases by their tags."""
        return f"{self.prefix}{self.unacked}_leases:{holder}"

    @property
    def deadly(self) -> str:
        """The hash of messages that ended their workers, each whole, by their tags."""
        return f"{self.prefix}wasmfleet:deadly"

    def queue_of(self, name: str) -> str:
        """The name of the queue that a list belongs to."""
        return name.removeprefix(self.prefix).partition(self.sep)[0]

    def lookout(self, role: str) -> str:
        """The string with the holder that looks after a queue for all its consumers; see `lookout`."""
        return f"{self.prefix}{self.unacked}_lookout:{role}"

    def bell(self, queue: str) -> str:
        """The sorted set that idle consumers of a queue wait at. Whoever puts something in rings it."""
        return f"{self.prefix}_wasmfleet.bell.{queue}"
