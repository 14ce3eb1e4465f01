"""Make tasks of the user's own modules: of a `.wasm` file in WASMFLEET_MODULES, by its custom section.

`tools.wasm` that declares `reverse` becomes `wasmfleet.tools.reverse(data: bytes) -> bytes`. They run in
a sandbox only, because they have no twin.
"""

import contextlib
from collections.abc import Iterable
from typing import Any, Final

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.app import app
from wasmfleet.workers.calls import catalogue
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.contracts.contract import Arguments, Contract
from wasmfleet.workers.contracts.operation import PREFIX, Operation
from wasmfleet.workers.contracts.signatures import parsed
from wasmfleet.workers.errors import UnknownOperation, VersionMismatch
from wasmfleet.workers.runtime.modules import NotReady, files, manifest, read, refused
from wasmfleet.workers.runtime.section import Declared
from wasmfleet.workers.safe_text import shown, storable

_MOST_NAMED: Final = 20


class _BytesContract(Contract):
    """The contract of an operation from bytes to bytes: the request is the data itself, not MessagePack."""

    def encode(self, arguments: Arguments) -> bytes:
        data: bytes = arguments["data"]
        return data


def register(settings: Settings) -> dict[str, str]:
    """Make every operation of every user's module a task; give the refused files, each with the reason.

    Whatever a file says, it costs that file only: a worker boots without it.
    """
    built_in, refusals = manifest(), refused(settings)
    for name, path in files(settings).items():
        if name not in built_in:
            try:
                operations = _operations(name, read(name, path).operations.values())
            except (NotReady, VersionMismatch) as error:
                refusals[path.name] = shown(storable(error))
            except Exception as error:  # noqa: BLE001 - a file may bring about anything
                refusals[path.name] = shown(
                    f"it cannot be a module: {type(error).__name__}: {storable(error)}"
                )
            else:
                for operation, description in operations:
                    if not _is_registered(operation.name, description):
                        catalogue.register(operation, __doc__=description, __reduce__=_named)
    return refusals


def unregistered(settings: Settings) -> list[str]:
    """Name operations that the user's files declare and that are no tasks here, or tasks of another signature.

    In a worker these came or changed after its start. It names at most 20, and none of a file that `register` refuses.
    """
    found: list[str] = []
    own = files(settings).items() if settings.modules else ()
    built_in = manifest() if own else {}
    for name, path in own:
        if name in built_in:
            continue
        with contextlib.suppress(Exception):  # a file may bring about anything
            declared = read(name, path).operations.values()
            if any(
                not _is_registered(f"{PREFIX}{name}.{one.name}", _description(name, one)) for one in declared
            ):
                found += [
                    one.name
                    for one, text in _operations(name, declared)
                    if not _is_registered(one.name, text)
                ]
    return [name.removeprefix(PREFIX) for name in found[:_MOST_NAMED]]


def _is_registered(name: str, description: str) -> bool:
    """Tell whether an operation is a task already, with the same signature, which its description has."""
    return name in app.tasks and app.tasks[name].__doc__ == description


def find(name: str) -> OperationTask[..., Any]:
    """Give the task of an operation, built in or of a user's module. Raises UnknownOperation."""
    try:
        return catalogue.find(name)
    except UnknownOperation:
        register(settings())
        return catalogue.find(name)


def _named(task: OperationTask[..., Any]) -> Any:
    return find, (task.name,)


def _operations(module: str, declared: Iterable[Declared]) -> list[tuple[Operation, str]]:
    """The operations that a module declares, each with its description."""
    return [(_operation(module, one), _description(module, one)) for one in declared]


def _operation(module: str, declared: Declared) -> Operation:
    contract = _contract(f"{module}.{declared.name}", declared)
    return Operation(f"{PREFIX}{module}.{declared.name}", contract, module, declared.name)


def _description(module: str, declared: Declared) -> str:
    return f"An operation of {module}.wasm: {declared.signature or 'bytes in, bytes out'}."


def _contract(name: str, declared: Declared) -> Contract:
    if not declared.signature:
        return _BytesContract(name, *parsed("(data: bytes) -> bytes"))
    return Contract(name, *parsed(declared.signature))
