"""Lookup of the operations that this process has registered with its Celery app."""

from wasmfleet.workers.app import app
from wasmfleet.workers.contracts.operation import PREFIX, Operation, full_name
from wasmfleet.workers.errors import UnknownOperation
from wasmfleet.workers.safe_text import suggestion


def operation(name: str) -> Operation:
    """Return the operation of this name, with or without `wasmfleet.` before it. Raises UnknownOperation.

    It imports nothing, so that a running worker never loads newer code.
    """
    found = getattr(app.tasks.get(full_name(name)), "operation", None)
    if not isinstance(found, Operation):
        raise unknown(name)
    return found


def unknown(name: str) -> UnknownOperation:
    """Make the error for a name that no operation has here, with the name that may have been meant."""
    return UnknownOperation(
        f"there is no operation {name[:80]!r}{similar(name) or '; `wasmfleet ops` lists them'}"
    )


def similar(name: str) -> str:
    """Give the end of a sentence that suggests the most similar operation; empty where none is similar."""
    known = [task.removeprefix(PREFIX) for task in app.tasks if task.startswith(PREFIX)]
    return suggestion(name.removeprefix(PREFIX), known)
