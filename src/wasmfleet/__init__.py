"""WebAssembly functions as Celery tasks, under memory, time and stack limits.

The folders `tasks`, `workers`, `config` and `wasm_bin` stand at the top of the checkout and are
linked here, so that they install as `wasmfleet.tasks` and so on.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wasmfleet.workers.calls.task import OperationTask

__all__ = ["operation"]


def operation(name: str) -> "OperationTask[..., Any]":
    """Give an operation by its name, such as `digest.digest`, or `words.count` of your own `words.wasm`.

    `wasmfleet.workers.calls.handles.operation` says what is checked where the module's file is not here.
    Raises UnknownOperation.
    """
    # Imported here: whoever imports a part of this package imports this file, and needs no Celery app for that.
    from wasmfleet.workers.calls import handles

    return handles.operation(name)
