"""The events that Flower and the like watch. Each is tried once, so that no worker waits for its watchers."""

from typing import Any

from celery.app.events import Events as CeleryEvents

from wasmfleet.workers.internals.celery_worker import EventSender


class Dispatcher(EventSender):
    """Celery's dispatcher (5.7, events/dispatcher.py), without its tries.

    While the broker is away, and up to 30 s longer, Celery's would hold up its worker's main loop.
    """

    def send_once(self, event: Any, producer: Any, routing_key: str, **options: Any) -> None:
        """Send an event, or drop it: what Celery keeps for later, nobody would send."""
        super().send_once(event, producer, routing_key, **(options | {"retry": False}))
        self.forget_unsent()


class Events(CeleryEvents):
    """What Celery finds as `app.events`: its own, but for the dispatcher."""

    dispatcher_cls = "wasmfleet.workers.reception.events:Dispatcher"
