"""Table of all switches of Wasmtime's configuration: what each is set to here, and why.

`python -m wasmfleet.workers.runtime.switches` prints docs/engine.md. A test fails where Wasmtime has a switch that the
table lacks, so that a new version of Wasmtime brings no feature unnoticed.
"""

from dataclasses import dataclass
from typing import Final

WASM_STACK_BYTES: Final = 2 << 20
GUARD_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: `wasmtime_config_<name>` in the C API, and its value here; None leaves it at its default."""

    name: str
    value: bool | int | None
    why: str


def _off(*names: str, why: str) -> list[Switch]:
    return [Switch(f"{name}_set", False, why) for name in names]


def _left(*names: str, why: str) -> list[Switch]:
    return [Switch(name, None, why) for name in names]


_PROPOSALS: Final = [
    Switch("wasm_simd_set", True, "every built-in module uses it"),
    Switch("wasm_bulk_memory_set", True, "every built-in module uses it"),
    Switch(
        "wasm_multi_value_set", True, "Rust and Clang switch it on; the types that are entered are checked"
    ),
    Switch(
        "wasm_reference_types_set",
        True,
        "Rust and Clang need its longer `call_indirect`; only functions of the module itself can be referred to",
    ),
    *_off("gc_support", why="no reference but to a function of the module itself can exist"),
    *_off("wasm_function_references", "wasm_gc", why="no typed references"),
    *_off("wasm_exceptions", "wasm_tail_call", why="no module needs it"),
    *_off("wasm_threads", "shared_memory", why="a guest has one thread and its memory to itself"),
    *_off("wasm_memory64", why="addresses have 32 bits, as the ABI says"),
    *_off("wasm_multi_memory", "wasm_custom_page_sizes", why="one memory, of pages of 64 KiB"),
    *_off("wasm_relaxed_simd", why="its results depend on the CPU"),
    Switch(
        "wasm_relaxed_simd_deterministic_set",
        True,
        "were it ever switched on, results would not depend on the CPU",
    ),
    *_off("wasm_wide_arithmetic", "wasm_stack_switching", why="no module needs it"),
    *_off("wasm_branch_hinting", "wasm_compact_imports", why="no module needs it"),
]
_COMPONENTS: Final = _off(
    "wasm_component_model",
    "wasm_component_model_accessors",
    "wasm_component_model_async",
    "wasm_component_model_async_stackful",
    "wasm_component_model_canonical_names",
    "wasm_component_model_implements",
    "wasm_component_model_map",
    "wasm_component_model_more_async_builtins",
    "concurrency_support",
    why="a module is no component",
)
_LIMITS: Final = [
    Switch("epoch_interruption_set", True, "deadlines: the ticker advances epochs while a guest runs"),
    Switch("max_wasm_stack_set", WASM_STACK_BYTES, "bytes of stack; more is InputTooDeep"),
    *_left("consume_fuel_set", why="epochs limit time at a lower cost"),
]
_CODE: Final = [
    Switch("cranelift_nan_canonicalization_set", True, "the same result on every CPU"),
    Switch(
        "signals_based_traps_set",
        False,
        "with it, a later faulthandler.enable() turns a guest's bad pointer into the death of the process",
    ),
    *_left("strategy_set", "cranelift_opt_level_set", why="Cranelift, optimised for speed"),
    *_left(
        "cranelift_regalloc_algorithm_set",
        "cranelift_debug_verifier_set",
        why="for those who develop Cranelift",
    ),
    *_left("cranelift_flag_enable", "cranelift_flag_set", why="nothing of Cranelift is changed by its flags"),
    *_left("target_set", why="code is compiled for this machine, and bound to its CPU"),
    *_left(
        "debug_info_set", "profiler_set", "native_unwind_info_set", why="nobody debugs guests in a worker"
    ),
    *_left("cache_config_load", why="the cache of this package checks whose code it is"),
    *_left("macos_use_mach_ports_set", why="without signals there is nothing to choose"),
]
#: Differs between processes: machine code is not bound to it, for it is room that a process gives at run time.
RESERVED: Final = Switch(
    "memory_reservation_for_growth_set", None, "bytes of address space that a memory may grow by, and no more"
)
_MEMORY: Final = [
    *_left("memory_init_cow_set", why="a fresh instance shares pages until it writes them"),
    Switch("memory_reservation_set", 0, "a guest's address space is its first memory and the room to grow"),
    RESERVED,
    Switch("memory_may_move_set", False, "it grows within that room, so the code need not look where it is"),
    Switch(
        "memory_guard_size_set",
        GUARD_BYTES,
        "bytes before and behind a memory; each access is checked anyway",
    ),
    *_left("host_memory_creator_set", "host_stack_creator_set", why="memory is Wasmtime's own"),
    *_left("async_stack_size_set", why="no call is asynchronous"),
]
#: Differs between processes: machine code is not bound to it, for it changes how code is made only.
PARALLEL: Final = Switch(
    "parallel_compilation_set", None, "only in the process that compiles; a worker may not start threads"
)

SWITCHES: Final = (*_PROPOSALS, *_COMPONENTS, *_LIMITS, *_CODE, *_MEMORY, PARALLEL)


_HEAD: Final = """# The engine

Wasmtime's switches, one by one: what each is set to, or that it is left at its default, and why. The engine is
configured by this table, compiled code is bound to it, and a test fails when Wasmtime has a switch that is not in it.

"""


def markdown() -> str:
    """Return the content of docs/engine.md."""
    rows = [
        f"| `{switch.name.removesuffix('_set')}` | {_shown(switch)} | {switch.why} |" for switch in SWITCHES
    ]
    return _HEAD + "\n".join(["| switch | value | why |", "| --- | --- | --- |", *rows]) + "\n"


def _shown(switch: Switch) -> str:
    if switch is PARALLEL:
        return "on and off"
    if switch is RESERVED:
        return "`WASMFLEET_MEMORY_LIMIT`"
    if isinstance(switch.value, bool):
        return "on" if switch.value else "off"
    return "left at its default" if switch.value is None else f"{switch.value:,}"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201
