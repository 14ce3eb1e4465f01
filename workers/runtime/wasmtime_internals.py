"""Names of Wasmtime's Python package that it does not promise to keep, all of them, each with its reason.

The package enters a guest in 25 µs; a sandbox that serves calls of a few microseconds goes past it to the C API that
lies below. Everything here is bound once, at import: who uses it calls Wasmtime's own function, and none of ours.
Only `instance.py` may follow the addresses that these functions take and give.
"""

from operator import attrgetter
from typing import Any, Final

import wasmtime
from wasmtime import _bindings, _ffi

from wasmfleet.workers.internals.named import Internal
from wasmfleet.workers.runtime.switches import PARALLEL, RESERVED, SWITCHES

READ_IN: Final = "50.0.1"

#: Wasmtime's shared library: each function of the C API by its name.
library: Final[Any] = _ffi.dll
#: The C API in Python, one function after the other, made from the C headers.
bindings: Final[Any] = _bindings

#: `context_of(store)`: the address of a store's context, which most functions of the C API take.
context_of: Final[Any] = wasmtime.Store._context
#: `structure_of(instance)`: the C structure behind a `wasmtime.Instance`.
structure_of: Final[Any] = attrgetter("_instance")
#: `trap_from(pointer)`: a trap that the C API gave, as an exception that frees it.
trap_from: Final[Any] = wasmtime.Trap._from_ptr
#: `error_from(pointer)`: an error that the C API gave, as an exception that frees it.
error_from: Final[Any] = wasmtime.WasmtimeError._from_ptr

#: The C types of a trap, an error, an exported thing, and an argument or a result.
CTrap: Final[Any] = _ffi.wasm_trap_t
CError: Final[Any] = _ffi.wasmtime_error_t
CExport: Final[Any] = _bindings.wasmtime_extern_t
CValue: Final[Any] = _bindings.wasmtime_val_raw_t

new_error: Final[Any] = _bindings.wasmtime_error_new
set_deadline_callback: Final[Any] = _bindings.wasmtime_store_epoch_deadline_callback
#: The ctypes classes of the callback that is asked at a deadline, and of the one that frees its data.
_, DeadlineCallback, _, Finalizer = _bindings._wasmtime_store_epoch_deadline_callback.argtypes

_IN_C: Final = "called by its address in `library`, with these arguments and no conversion of them"
_OWNED: Final = "made of what a direct call gave, so that it is read and freed as Wasmtime does it"
_SWITCH: Final = "sets a switch that `wasmtime.Config` has no property for, or may lack in a next version"

INTERNALS: Final = (
    Internal("wasmtime._ffi:dll", "", "the functions of the C API are taken from it by their names"),
    Internal(
        "wasmtime._bindings:wasmtime_func_call_unchecked",
        "(store: Any, func: Any, args_and_results: Any, args_and_results_len: Any, trap: Any) -> _ctypes._Pointer",
        f"enters a guest; {_IN_C}",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_context_set_epoch_deadline",
        "(context: Any, ticks_beyond_current: Any) -> None",
        f"limits the time of a call; {_IN_C}",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_memory_data",
        "(store: Any, memory: Any) -> _ctypes._Pointer",
        f"where a guest's memory begins; {_IN_C}",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_memory_data_size",
        "(store: Any, memory: Any) -> int",
        f"how large a guest's memory is; {_IN_C}",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_instance_export_get",
        "(store: Any, instance: Any, name: Any, name_len: Any, item: Any) -> bool",
        f"finds the exports that are entered, once an instance; {_IN_C}",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_store_epoch_deadline_callback",
        "(store: Any, func: Any, data: Any, finalizer: Any) -> None",
        "asks the host at a deadline whether a batch may go on; Python has no class for it",
    ),
    Internal(
        "wasmtime._bindings:_wasmtime_store_epoch_deadline_callback",
        "",
        "its `argtypes` are the store, the callback's class, the data and the finalizer's class, in this order",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_error_new",
        "(arg0: Any) -> _ctypes._Pointer",
        "the callback at a deadline ends a guest with an error, which Wasmtime frees",
    ),
    Internal(
        "wasmtime._bindings:wasmtime_extern_t",
        "",
        "room for an export that is looked up; `of` is its address",
    ),
    Internal("wasmtime._bindings:wasmtime_val_raw_t", "", "room for an argument or a result: 16 bytes each"),
    Internal(
        "wasmtime:Store._context",
        "(self) -> 'ctypes._Pointer[ffi.wasmtime_context_t]'",
        "every function of the C API that works on a store takes its context",
    ),
    Internal("wasmtime:Store.ptr", "(self) -> ~T", "the store's own address, for the callback at a deadline"),
    Internal("wasmtime:Config.ptr", "(self) -> ~T", "the configuration's address, for the switches"),
    Internal("wasmtime:Instance._instance", "", "the C structure in which exports are looked up"),
    Internal("wasmtime:Trap._from_ptr", "(cls, ptr: 'ctypes._Pointer[ffi.wasm_trap_t]') -> 'Trap'", _OWNED),
    Internal(
        "wasmtime:WasmtimeError._from_ptr",
        "(cls, ptr: 'ctypes._Pointer[ffi.wasmtime_error_t]') -> 'WasmtimeError'",
        _OWNED,
    ),
    Internal("wasmtime._ffi:wasm_trap_t", "", "a pointer to a trap is cast to it"),
    Internal("wasmtime._ffi:wasmtime_error_t", "", "a pointer to an error is cast to it"),
    *(
        Internal(
            f"wasmtime._bindings:wasmtime_config_{switch.name}", "(arg0: Any, arg1: Any) -> None", _SWITCH
        )
        for switch in SWITCHES
        if switch.value is not None or switch in (PARALLEL, RESERVED)
    ),
)
