"""Make functions operations of the catalogue, and find them by name.

    @operation(parity="exact")
    def digest(data: bytes, *, algorithm: Algorithm = "sha256") -> str:
        '''What it does. ...'''
        ...the plain-Python twin...

The signature is the wire contract, the body is the twin; the file in `tasks/` and the module have the family's name.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from wasmfleet.workers.app import app, load_families
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.contracts.contract import Contract
from wasmfleet.workers.contracts.operation import PREFIX, Operation, Parity, full_name
from wasmfleet.workers.execution import registered

P = ParamSpec("P")
R = TypeVar("R")


def operation(*, parity: Parity) -> Callable[[Callable[P, R]], OperationTask[P, R]]:
    """Make a function of `tasks/<family>.py` the operation `wasmfleet.<family>.<name>`.

    `parity` says how the plain-Python lane compares with the sandbox: `exact` gives equal results, `equivalent` other
    bytes of the same meaning, `reduced` checks less and says what it left out.
    """

    def register(function: Callable[P, R]) -> OperationTask[P, R]:
        made: OperationTask[P, R] = _registered(function, parity=parity)
        return made

    return register


def alias(target: OperationTask[..., R]) -> Callable[[Callable[P, Any]], OperationTask[P, R]]:
    """Make a function that only maps its arguments to another operation's an operation of its own name.

    Its body returns the target's arguments by name; it runs wherever the target runs.
    """

    def register(function: Callable[P, Any]) -> OperationTask[P, R]:
        of = target.operation
        made: OperationTask[P, R] = _registered(function, parity=of.parity, alias_of=of)
        return made

    return register


def find(name: str) -> OperationTask[..., Any]:
    """Give the task of this operation, named with or without `wasmfleet.`. Raises UnknownOperation."""
    if full_name(name) not in app.tasks:
        load_families()
    return cast(OperationTask[..., Any], app.tasks[registered.operation(name).name])


def register(operation: Operation, **attributes: Any) -> OperationTask[..., Any]:
    """Make an operation a task of the Celery app, with these attributes beside it."""
    name = operation.name.rpartition(".")[2]
    body = {"name": operation.name, "operation": operation, "__reduce__": _named} | attributes
    made: OperationTask[..., Any] = app.register_task(type(name, (OperationTask,), body)())
    return made


def _named(task: OperationTask[..., Any]) -> Any:
    """Pickle and copy an operation by its name: another process finds its own."""
    return find, (task.name,)


def _registered(function: Callable[..., Any], **more: Any) -> Any:
    family, name = function.__module__.rpartition(".")[2], function.__name__
    operation = Operation(
        name=f"{PREFIX}{family}.{name}",
        contract=Contract.of(f"{family}.{name}", function),
        module=family,
        function=name,
        twin=function,
        **more,
    )
    return register(
        operation,
        __doc__=function.__doc__,
        __module__=function.__module__,
        __wrapped__=staticmethod(function),
    )
