"""The sandbox of this process: its loaded modules, and running a batch of calls in one of them."""

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from wasmfleet.config.celery import BATCH_FACTOR
from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.errors import UnknownOperation
from wasmfleet.workers.node import memory
from wasmfleet.workers.runtime.modules import HostLacks, Loaded, Modules, wasmtime_part

if TYPE_CHECKING:
    from wasmfleet.workers.runtime.invoke import Reply

_instances_at_once = 1


@cache
def modules() -> Modules:
    """Return the modules of this process, which are made again after a fork: an engine does not survive one."""
    return Modules(settings(), _guest_bytes())


os.register_at_fork(after_in_child=modules.cache_clear)


def share_memory(among: int) -> None:
    """Divide the memory limit of this process among so many guests that may run at once."""
    global _instances_at_once
    _instances_at_once = max(1, among)
    modules.cache_clear()


def _guest_bytes() -> int:
    return memory.guest_bytes(settings()) // _instances_at_once


def run(module: Loaded, function: str, requests: Sequence[bytes], time_s: float) -> "list[Reply]":
    """Run a module's function once for each encoded request, and return one reply for each, in order.

    `time_s` limits each request. Raises UnknownOperation where the module has no such function, and HostLacks where the
    host cannot give a guest what it needs; the module is then out of use for a second.
    """
    invoke = wasmtime_part("invoke")
    operation = module.binary.operations.get(function)
    if operation is None:
        raise UnknownOperation(f"the module {module.binary.path.name} has no operation {function!r}")
    limits = invoke.Limits(
        time_s=time_s,
        batch_s=time_s * BATCH_FACTOR,
        memory_bytes=module.engine.memory_bytes,
        reply_bytes=settings().max_output * MIB,
        reply_values=settings().max_values,
    )
    try:
        replies: list[Reply] = invoke.run(module, operation, requests, limits)
    except HostLacks as error:
        modules().fail(module.binary.name, error)
        raise
    return replies
