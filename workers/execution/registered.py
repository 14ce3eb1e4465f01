"""Lookup of the operations that this process has registered with its Celery app."""

from wasmfleet.workers.app import app
from wasmfleet.workers.contracts.operation import Operation, full_name
from wasmfleet.workers.errors import UnknownOperation


def operation(name: str) -> Operation:
    """Return the operation of this name, with or without `wasmfleet.` before it. Raises UnknownOperation.

    It imports nothing, so that a running worker never loads newer code.
    """
    found = getattr(app.tasks.get(full_name(name)), "operation", None)
    if not isinstance(found, Operation):
        raise UnknownOperation(f"there is no operation {name[:80]!r}; `wasmfleet ops` lists them")
    return found
