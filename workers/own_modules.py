"""Your own modules: a `.wasm` file in WASMFLEET_MODULES becomes tasks by its custom section.

`tools.wasm` that declares `reverse` becomes `wasmfleet.tools.reverse(data: bytes) -> bytes`. They run in
a sandbox only: there is no twin.
"""

from collections.abc import Iterable
from typing import Any

from wasmfleet.config.settings import Settings
from wasmfleet.workers.app import app
from wasmfleet.workers.contract import Arguments, Contract
from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.operation import PREFIX, Operation
from wasmfleet.workers.outside import shown, storable
from wasmfleet.workers.runtime.modules import NotReady, files, manifest, read, refused
from wasmfleet.workers.runtime.section import Declared
from wasmfleet.workers.signatures import parsed


class _BytesContract(Contract):
    """Bytes in, bytes out: the request is the data itself."""

    def encode(self, arguments: Arguments) -> bytes:
        data: bytes = arguments["data"]
        return data


def register(settings: Settings) -> dict[str, str]:
    """Makes every operation of every user's module a task; gives the refused files, each with the reason.

    Whatever a file says, it costs that file only: a worker boots without it.
    """
    built_in, refusals = manifest(), refused(settings)
    for name, path in files(settings).items():
        if name not in built_in:
            try:
                operations = _operations(name, read(name, path).operations.values())
            except (NotReady, VersionMismatch) as error:
                refusals[path.name] = shown(storable(error))
            except Exception as error:  # noqa: BLE001 - what a file may bring about is not ours to foresee
                refusals[path.name] = shown(
                    f"it cannot be a module: {type(error).__name__}: {storable(error)}"
                )
            else:
                for operation in operations:
                    app.register_task(operation)
    return refusals


def _operations(name: str, declared: Iterable[Declared]) -> list[Operation[..., Any]]:
    return [_operation(name, operation) for operation in declared]


def _operation(name: str, declared: Declared) -> Operation[..., Any]:
    body = {
        "name": f"{PREFIX}{name}.{declared.name}",
        "contract": _contract(f"{name}.{declared.name}", declared),
        "module": name,
        "function": declared.name,
        "twin": None,
        "parity": None,
        "__doc__": f"An operation of {name}.wasm: {declared.signature or 'bytes in, bytes out'}.",
    }
    made: Operation[..., Any] = type(declared.name, (Operation,), body)()
    return made


def _contract(name: str, declared: Declared) -> Contract:
    if not declared.signature:
        return _BytesContract(name, *parsed("(data: bytes) -> bytes"))
    return Contract(name, *parsed(declared.signature))
