"""The interface of a compiled module, as Wasmtime tells it, checked by the rule in `interface.py`.

Reading the type of a vector (v128) aborts the process in Wasmtime 50's C API. So the file's bytes are checked before
(`module_file.py`), only exports that the host enters are looked at, and the first process that looks is the compiler's,
whose death costs nothing.
"""

import wasmtime

from wasmfleet.workers.runtime.interface import ENTERED, Function, Interface, Memory, Other, Unfit, check
from wasmfleet.workers.safe_text import storable


def check_compiled(module: wasmtime.Module) -> None:
    """Raise Unfit unless the host can enter this module safely; also for a type that the bindings do not know."""
    try:
        found = _interface(module)
    except Exception as error:  # noqa: BLE001 - of any kind, for a type that the bindings do not know
        raise Unfit(f"has an interface that cannot be read: {storable(error)}") from None
    check(found)


def _interface(module: wasmtime.Module) -> Interface:
    """Describe a module. Whether it has a start function Wasmtime does not tell; `interface.of_binary` does."""
    imports = tuple(f"{found.module}.{found.name}" for found in module.imports)
    exports = {export.name: export for export in module.exports}
    return Interface(imports, {name: _export(exports[name].type) for name in ENTERED if name in exports})


def _export(type: object) -> Function | Memory | Other:
    if isinstance(type, wasmtime.FuncType):
        return Function(tuple(map(str, type.params)), tuple(map(str, type.results)))
    if isinstance(type, wasmtime.MemoryType):
        return Memory(type.limits.min * type.page_size, type.is_64, type.is_shared, type.page_size)
    return Other({wasmtime.TableType: "table", wasmtime.GlobalType: "global"}.get(type.__class__, "tag"))
