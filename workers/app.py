"""The Celery app and its wiring."""

import pkgutil

from celery import Celery

from wasmfleet.config.celery import options
from wasmfleet.config.settings import settings
from wasmfleet.workers import broker

app = Celery("wasmfleet", set_as_current=False)
app.conf.update(options(settings(), broker.address(settings())))


def families() -> list[str]:
    """The task modules that exist: a file in `tasks/` is a family."""
    import wasmfleet.tasks

    prefix = f"{wasmfleet.tasks.__name__}."
    return [
        prefix + module.name for module in pkgutil.iter_modules(wasmfleet.tasks.__path__) if not module.ispkg
    ]


app.conf.include = ["wasmfleet.workers.batch", "wasmfleet.workers.lifecycle", *families()]
