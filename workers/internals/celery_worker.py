"""Celery's classes of a worker's main process, with plain names for their private parts; `celery.py` lists them.

Only workers load this file. Where Celery calls one of its private methods, these classes call a method with a plain
name, which `workers/reception/` implements.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from celery.events import dispatcher as _typed_dispatcher
from celery.worker import request as _typed_request

# `Any`, because the published type stubs describe an older Celery.
_request: Any = _typed_request
_dispatcher: Any = _typed_dispatcher


class WorkerRequest(_request.Request):  # type: ignore[misc]
    """Celery's request: a call that this worker has taken and not yet finished."""

    time_limits: tuple[float | None, float | None]

    def hand_over(self, body: Any) -> None:
        """Send this object to the child in place of the message's body.

        Without a content type, the child only unpacks it and decodes nothing.
        """
        self._body = body
        self._content_type = self._content_encoding = None

    @property
    def handed_over(self) -> Any:
        """The object that the child gets as the message's body."""
        return self._body

    @property
    def context(self) -> Any:
        """The message's headers and the call's follow-ups, as the task in a child sees them."""
        return self._context

    @property
    def is_watched(self) -> bool:
        """Whether somebody, such as Flower, has asked this worker for events."""
        return bool(self._eventer and self._eventer.enabled)

    def follow_ups(self) -> dict[str, Any]:
        """Return the call's callbacks, errbacks, chain and chord, by these names."""
        raise NotImplementedError

    def end_revoked(self, announce: Callable[[Any], None], reason: str, *, is_expired: bool) -> None:
        """End a call that is cancelled or expired. `announce(why)` stores this end and acknowledges the message."""
        raise NotImplementedError

    @property
    def _payload(self) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        # Celery reads only the follow-ups from it, and only when a call ends in the main process.
        return [], {}, self.follow_ups()

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        announce = super()._announce_revoked
        self.end_revoked(
            partial(announce, terminated=terminated, signum=signum, expired=expired),
            reason,
            is_expired=expired,
        )


class EventSender(_dispatcher.EventDispatcher):  # type: ignore[misc]
    """Celery's sender of the events that Flower watches."""

    def send_once(self, event: Any, producer: Any, routing_key: str, **options: Any) -> None:
        """Send an event; one that cannot be sent is kept for later."""
        super()._publish(event, producer, routing_key, **options)

    def forget_unsent(self) -> None:
        """Drop the events that were kept because they could not be sent."""
        self._outbound_buffer.clear()

    def _publish(self, event: Any, producer: Any, routing_key: str, **options: Any) -> None:
        self.send_once(event, producer, routing_key, **options)
