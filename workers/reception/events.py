"""The events that Flower and the like watch: sent once, so that the fleet never waits for who watches it."""

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):
    """Celery's, which would stop its worker's main loop until the broker is back, and for up to 30 s longer."""

    def _publish(self, event: Any, producer: Any, routing_key: str, **options: Any) -> None:
        super()._publish(event, producer, routing_key, **(options | {"retry": False}))  # type: ignore[misc]
        self._outbound_buffer.clear()  # type: ignore[attr-defined] # what was not sent: nobody would send it later


class Events(CeleryEvents):
    dispatcher_cls = "wasmfleet.workers.reception.events:Dispatcher"
