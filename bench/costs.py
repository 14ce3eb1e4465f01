"""The costs of the sandbox and the twin's process themselves: an entry, an instance, a call, a new child."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime

from bench.harness import Contender, measure
from wasmfleet.config.settings import MIB
from wasmfleet.tasks import digest
from wasmfleet.workers.execution import execute, sandbox, twin, twin_process
from wasmfleet.workers.runtime import invoke
from wasmfleet.workers.runtime.instance import Guest

_LIMITS = invoke.Limits(
    time_s=10, batch_s=60, memory_bytes=256 * MIB, reply_bytes=64 * MIB, reply_values=4_000_000
)
_CHILDREN = 7


def costs() -> dict[str, float]:
    """Measure each cost, and return the medians in microseconds by name."""
    module, data = sandbox.modules().ready("digest"), b"x" * 1000
    guest = _guest(module)
    operation = module.binary.operations["digest"]
    contract = digest.digest.operation.contract
    request = invoke.framed([contract.encode(contract.check((data,), {}))])
    echo = _echo(module.engine)
    item = execute._item(digest.digest.operation, contract.check((data,), {}))
    patience = twin.Limits.from_now(3600)
    jobs: dict[str, Callable[[], Any]] = {
        "an entry of 1 kB into a warm guest, hashing included": lambda: guest.call(operation.index, request),
        "an entry of 1 kB into a warm guest that does hardly anything": lambda: echo.call(0, data),
        "a fresh guest": lambda: _guest(module),
        "op.wasm of 1 kB, the whole call": lambda: digest.digest.wasm(data),
        "one item of a batch of 1,000 items of 1 kB": lambda: sandbox.run(
            module, "digest", [request[4:]] * 1000, 10
        ),
        "a plain-Python twin of 1 kB in this process": lambda: twin_process.run_here(
            digest.digest, item, patience
        ),
        "a plain-Python twin of 1 kB in its own process, as in a worker": lambda: twin_process.run(
            digest.digest, item, patience
        ),
    }
    found = {
        m.name: m.seconds * 1e6
        for m in measure([Contender(name, "sandbox", run) for name, run in jobs.items()])
    }
    found["one item of a batch of 1,000 items of 1 kB"] /= 1000
    return found | {"a new child with all modules loaded from a warm cache": _child_us()}


def _echo(engine: Any) -> Guest:
    """Make a guest that does hardly any work, so that almost all of its time is the host's."""
    text = Path("examples/own_module/shout.wat").read_text()
    module = wasmtime.Module(engine.wasmtime, wasmtime.wat2wasm(text))
    pre = wasmtime.Linker(engine.wasmtime).instantiate_pre(module)
    return Guest(engine, pre, memory_bytes=MIB * 4, time_s=3600)


def _guest(module: Any) -> Guest:
    return invoke.new_guest(module, _LIMITS)


def _child_us() -> float:
    """Measure the time from a fork until the new child has loaded every module."""
    return sorted(_one_child_us() for _ in range(_CHILDREN))[_CHILDREN // 2]


def _one_child_us() -> float:
    read, write = os.pipe()
    started = time.perf_counter()
    if os.fork() == 0:
        sandbox.modules().load_all()
        os.write(write, b"ready")
        os._exit(0)
    os.read(read, 5)
    taken = time.perf_counter() - started
    os.wait()
    os.close(read)
    os.close(write)
    return taken * 1e6
