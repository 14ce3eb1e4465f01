"""The Celery app and its wiring."""

import importlib
import pkgutil
from importlib.util import find_spec
from typing import Final

from celery import Celery, current_task

from wasmfleet.config.celery import options
from wasmfleet.config.settings import settings
from wasmfleet.workers import transport
from wasmfleet.workers.node import broker

#: The class of a message in a worker's main process, by the name with which Celery finds it.
REQUEST: Final = "wasmfleet.workers.reception.request:LoggedRequest"

transport.register()
app = Celery(
    "wasmfleet",
    events="wasmfleet.workers.reception.events:Events",
    control="wasmfleet.workers.reception.remote:Control",
    set_as_current=False,
)
app.conf.update(options(settings(), broker.celery_url(settings()), broker.address(settings())))


def in_a_call() -> bool:
    """Whether a call of this fleet runs here; a task of another app is a client like any other."""
    return bool(current_task) and current_task.app is app and not current_task.request.called_directly


def families() -> list[str]:
    """The task modules that exist: a file in `tasks/` is a family."""
    spec = find_spec("wasmfleet.tasks")
    places = spec.submodule_search_locations if spec else None
    return [f"wasmfleet.tasks.{found.name}" for found in pkgutil.iter_modules(places) if not found.ispkg]


def load_families() -> None:
    """Registers every operation there is; a worker does it at boot."""
    for name in families():
        importlib.import_module(name)


app.conf.include = [
    "wasmfleet.workers.calls.batch",
    "wasmfleet.workers.execution.execute",  # before a worker forks, so that its children need not import it
    "wasmfleet.workers.reception.lifecycle",
    "wasmfleet.workers.reception.drain",
    *families(),
]
