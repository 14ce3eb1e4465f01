"""What a call in a worker ends with when a part of the fleet fails it: its message goes back to its queue."""

from celery.exceptions import Reject


class Again(Reject):
    """The broker or a store did not answer."""

    reason: str

    def __init__(self, reason: str = "", requeue: bool = True) -> None:
        super().__init__(reason, requeue)


class Unlogged(Again):
    """Without its row no outcome may be acknowledged."""


class ResultRefused(Again):
    """The store of results answers, but takes none."""


class LargeResultRefused(ResultRefused):
    """The store of results did not take a large one; it may take others."""
