"""What Wasmtime says of a compiled module, in the terms of `interface`.

Reading the type of a vector (v128) aborts the process in Wasmtime 50's C API. So the bytes are checked first, only
what is entered is looked at, and the first to look is the compiler's process, which may die of it.
"""

import wasmtime

from wasmfleet.workers.runtime.interface import ENTERED, Function, Interface, Memory, Other, Unfit, check
from wasmfleet.workers.safe_text import storable


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
    exports = {export.name: export for export in module.exports}
    return Interface(imports, {name: _export(exports[name].type) for name in ENTERED if name in exports})


def _export(type: object) -> Function | Memory | Other:
    if isinstance(type, wasmtime.FuncType):
        return Function(tuple(map(str, type.params)), tuple(map(str, type.results)))
    if isinstance(type, wasmtime.MemoryType):
        return Memory(type.limits.min * type.page_size, type.is_64, type.is_shared, type.page_size)
    return Other({wasmtime.TableType: "table", wasmtime.GlobalType: "global"}.get(type.__class__, "tag"))
