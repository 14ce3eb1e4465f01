"""The Celery app and its wiring."""

import importlib
import pkgutil

from celery import Celery, current_task

from wasmfleet.config.celery import options
from wasmfleet.config.settings import settings
from wasmfleet.workers import broker, transport

transport.register()
app = Celery(
    "wasmfleet",
    events="wasmfleet.workers.events:Events",
    control="wasmfleet.workers.remote:Control",
    set_as_current=False,
)
app.conf.update(options(settings(), broker.celery_url(settings()), broker.address(settings())))


def in_a_call() -> bool:
    """Whether a call of this fleet runs here; a task of another app is a client like any other."""
    return bool(current_task) and current_task.app is app and not current_task.request.called_directly


def families() -> list[str]:
    """The task modules that exist: a file in `tasks/` is a family."""
    import wasmfleet.tasks

    prefix = f"{wasmfleet.tasks.__name__}."
    return [
        prefix + module.name for module in pkgutil.iter_modules(wasmfleet.tasks.__path__) if not module.ispkg
    ]


def load_families() -> None:
    """Registers every operation there is; a worker does it at boot."""
    for name in families():
        importlib.import_module(name)


app.conf.include = [
    "wasmfleet.workers.batch",
    "wasmfleet.workers.lifecycle",
    "wasmfleet.workers.drain",
    *families(),
]
