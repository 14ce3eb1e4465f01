"""What a worker tells of its broker when it is asked, as Flower asks each worker: never the password."""

from typing import Any

from celery.worker import control
from celery.worker.control import inspect_command

from wasmfleet.config.settings import without_password

# The worker registers its commands by name, and the last one of a name stands (celery 5.7).
_celerys: Any = control.stats  # type: ignore[attr-defined]


@inspect_command()
def stats(state: Any, **_: Any) -> dict[str, Any]:
    """Celery's. Where kombu leaves a URL to its transport, as it does with ours, the whole URL is its `hostname`
    (kombu 5.7), and Celery takes away the field `password` only."""
    told: dict[str, Any] = _celerys(state)
    broker = told.get("broker")
    if isinstance(broker, dict) and "://" in str(broker.get("hostname")):
        broker["hostname"] = without_password(broker["hostname"])
    return told
