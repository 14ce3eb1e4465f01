"""What Wasmtime says of a compiled module, in the terms of `interface`."""

import wasmtime

from wasmfleet.workers.outside import storable
from wasmfleet.workers.runtime.interface import Function, Interface, Memory, Other, Unfit, check


def check_compiled(module: wasmtime.Module) -> None:
    """Raises Unfit unless the host can enter this module; also for a type that Wasmtime's bindings do not know."""
    try:
        found = _interface(module)
    except Exception as error:  # noqa: BLE001 - whatever the bindings do with a type that they do not know
        raise Unfit(f"has an interface that cannot be read: {storable(error)}") from None
    check(found)


def _interface(module: wasmtime.Module) -> Interface:
    """A compiled module does not tell whether it had a start function; its bytes do."""
    imports = tuple(f"{found.module}.{found.name}" for found in module.imports)
    return Interface(imports, {found.name: _export(found.type) for found in module.exports})


def _export(type: object) -> Function | Memory | Other:
    if isinstance(type, wasmtime.FuncType):
        return Function(tuple(map(str, type.params)), tuple(map(str, type.results)))
    if isinstance(type, wasmtime.MemoryType):
        return Memory(type.limits.min * type.page_size, type.is_64, type.is_shared, type.page_size)
    return Other(_NAMES.get(type.__class__, "tag"))


_NAMES: dict[object, str] = {wasmtime.TableType: "table", wasmtime.GlobalType: "global"}
