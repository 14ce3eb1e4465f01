"""The part of a channel that says what its lookout looks at: the queues that it consumes, and a shared one."""

from wasmfleet.workers.transport.broadcasts import Hearing
from wasmfleet.workers.transport.lookout import Claim, Look


class Looking(Hearing):
    """A channel that can say it."""

    @property
    def roles(self) -> list[str]:
        """The names under which this channel offers to be the lookout of what it consumes from."""
        queues, claim = list(self.active_queues), self._claimed
        return [*queues, claim.role] if claim and claim.target in queues else queues

    def look_of(self, roles: list[str]) -> Look:
        """Say what a lookout with these roles looks at."""
        claim = self._claimed
        if claim and claim.role not in roles:
            claim = None
        queues = [role for role in roles if not claim or role != claim.role]
        bells = [self.keys.bell(queue) for queue in queues for _ in self.priority_steps]
        lists = [name for queue in queues for name in self._keys_of(queue)]
        if claim is None:
            return Look(lists, bells)
        shared, targets = self._keys_of(claim.source), self._keys_of(claim.target)
        limit = self.limit_of(claim.target)
        return Look(lists, bells, shared, targets, self.keys.bell(claim.target), claim.prefix, limit)

    @property
    def _claimed(self) -> Claim | None:
        return Claim(*self.claim) if self.claim else None

    def _keys_of(self, queue: str) -> list[str]:
        return [self.keys.prefix + self.list_of(queue, step) for step in self.priority_steps]
