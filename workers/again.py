"""Exceptions that end a call in a worker where a part of the fleet is away, so that its message goes back."""

from celery.exceptions import Reject


class Again(Reject):
    """The broker or a store did not answer; the call runs again. `reason` says which, and goes into the log."""

    reason: str

    def __init__(self, reason: str = "", requeue: bool = True) -> None:
        super().__init__(reason, requeue)


class Unlogged(Again):
    """The outcome could not be written to the log; without its row no message may be acknowledged."""


class ResultRefused(Again):
    """The store of results answered, but did not take the result."""


class LargeResultRefused(ResultRefused):
    """The store of results did not take a large result; it may take smaller ones."""
