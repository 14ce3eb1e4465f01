"""Find by its name the operation that undoes another: `decompress` undoes `compress`, `decrypt` undoes `encrypt`."""

import contextlib
from typing import Any

from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import UnknownOperation


def undoing(operation: Operation) -> Operation | None:
    """Find the operation that turns this one's result back into its input, if the family has one."""
    name = operation.function
    return _in_family(operation, [f"de{name}", f"un{name}", f"de{name.removeprefix('en')}"])


def making(operation: Operation) -> Operation | None:
    """Find the operation whose results this one undoes, if the family has one."""
    stem = operation.function[2:] if operation.function.startswith(("de", "un")) else ""
    return _in_family(operation, [stem, f"en{stem}"]) if stem else None


def arguments_of(other: Operation, result: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Make arguments of a call to `other`: its input is this result, the rest are the arguments that both take."""
    first, *rest = other.contract.wire
    return {first: result, **{name: arguments[name] for name in rest if name in arguments}}


def _in_family(operation: Operation, names: list[str]) -> Operation | None:
    for name in names:
        with contextlib.suppress(UnknownOperation):
            return find(f"{operation.module}.{name}").operation
    return None


def call(operation: Operation, lane: str, arguments: dict[str, Any]) -> Any:
    """Call one lane of an operation in this process."""
    return getattr(find(operation.name), lane)(**arguments)
