"""Handles of operations by name, also of modules that a caller does not have: `wasmfleet.operation("words.count")`."""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from inspect import Signature
from typing import Any, Final

from wasmfleet.config.settings import settings
from wasmfleet.workers.app import app
from wasmfleet.workers.calls import own_modules
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.contracts.contract import Arguments, Contract
from wasmfleet.workers.contracts.operation import PREFIX, Operation, full_name
from wasmfleet.workers.contracts.plain import plain
from wasmfleet.workers.errors import InvalidArguments, UnknownOperation
from wasmfleet.workers.execution import registered
from wasmfleet.workers.runtime.modules import files

_NAME: Final = re.compile(r"wasmfleet\.([a-z][a-z0-9_]{0,63})\.[a-z][a-z0-9_]{0,63}", re.ASCII)
_logger: Final = logging.getLogger("wasmfleet.calls")


def operation(name: str) -> OperationTask[..., Any]:
    """Give an operation by its name, such as `digest.digest`, or `words.count` of your own `words.wasm`.

    Where the module's file is among WASMFLEET_MODULES, the operation has the signature that the file declares, and
    calls are checked before they are sent. Where it is not, a worker checks them: the handle sends what it is given,
    and says so once in the log `wasmfleet.calls`. It then runs nothing in this process, and `many` and `item` take
    arguments by name only.

    Raises UnknownOperation, with the most similar name, where the module is here and has no such operation.
    """
    try:
        return own_modules.find(name)
    except UnknownOperation:
        found = _NAME.fullmatch(full_name(name))
        if not found or found[1] in files(settings()):
            raise
        return _unchecked(full_name(name), found[1])


class _Unknown(Contract):
    """The contract of an operation whose module is not here: any arguments."""

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        if args:
            raise InvalidArguments(
                f"{self.name}: give the arguments by name; its module is not here to name them"
            )
        return dict(kwargs)

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        by_place = {str(place): value for place, value in enumerate(args)}
        return {name: plain(value) for name, value in (by_place | dict(kwargs)).items()}

    def sendable(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Arguments, Arguments]:
        checked = self.check(args, kwargs)
        by_place = tuple(checked[str(place)] for place in range(len(args)))
        return by_place, {name: checked[name] for name in kwargs}, checked


@cache
def _unchecked(name: str, module: str) -> OperationTask[..., Any]:
    short = name.removeprefix(PREFIX)
    note = f"its module is neither built in nor among WASMFLEET_MODULES here{registered.similar(name)}"
    _logger.warning("%s: %s; calls are sent unchecked, and a worker checks them", short, note)
    function = short.partition(".")[2]
    body = {
        "name": name,
        "operation": Operation(name, _Unknown(short, Signature(), {}), module, function),
        "__doc__": f"An operation that is called by its name, unchecked: {note}.",
        "__reduce__": lambda task: (operation, (task.name,)),
    }
    made: OperationTask[..., Any] = type(function, (OperationTask,), body)()
    type(made).bind(app)
    return made
