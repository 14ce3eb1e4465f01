"""The Celery app of the fleet: its options, the classes of ours that Celery uses, and the modules with its tasks."""

import importlib
import pkgutil
from importlib.util import find_spec
from typing import Any, Final

from celery import Celery, current_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from wasmfleet.config.celery import options
from wasmfleet.config.settings import settings
from wasmfleet.workers import transport
from wasmfleet.workers.again import Again
from wasmfleet.workers.internals.celery_app import renew_after_fork
from wasmfleet.workers.node import broker

#: The class of a message in a worker's main process, as the name by which Celery imports it.
REQUEST: Final = "wasmfleet.workers.reception.request:LoggedRequest"


class Fleet(Celery):
    """Celery's app, in whose calls a message that cannot be sent is no end: the call runs again."""

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Send a message, as Celery does. Raises Again inside a call of this fleet where the broker does not answer.

        Calls of operations come here through `calls/publishing.py`. By another way come the tasks of other apps that
        follow a call.
        """
        try:
            return super().send_task(name, *args, **options)
        except (OperationalError, RedisError) as error:
            if not in_a_call():
                raise
            raise Again(f"{name}, which follows it, cannot be sent: {error}") from error


transport.register()
app = Fleet(
    "wasmfleet",
    events="wasmfleet.workers.reception.events:Events",
    control="wasmfleet.workers.reception.remote:Control",
    set_as_current=False,
)
renew_after_fork(app)
app.conf.update(options(settings(), broker.celery_url(settings()), broker.address(settings())))


def in_a_call() -> bool:
    """Whether this code runs inside a call of this fleet, in a worker.

    Not inside a task of another Celery app, which is a client like any other, and not in a call that Celery runs at
    once (`apply`, `task_always_eager`).
    """
    if not current_task or current_task.app is not app:
        return False
    request = current_task.request
    return not (request.called_directly or request.is_eager)


def families() -> list[str]:
    """Return the names of the modules in `tasks/`: each file there is a family of operations."""
    spec = find_spec("wasmfleet.tasks")
    places = spec.submodule_search_locations if spec else None
    return [f"wasmfleet.tasks.{found.name}" for found in pkgutil.iter_modules(places) if not found.ispkg]


def load_families() -> None:
    """Import every family, so that the app knows each operation. A worker does this when it starts."""
    for name in families():
        importlib.import_module(name)


app.conf.include = [
    "wasmfleet.workers.calls.batch",
    "wasmfleet.workers.execution.execute",  # before a worker forks, so that its children need not import it
    "wasmfleet.workers.reception.lifecycle",
    "wasmfleet.workers.reception.drain",
    *families(),
]
