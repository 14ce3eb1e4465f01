"""What the sandbox itself costs: an entry, an instance, a call, a child."""

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
    """Medians in microseconds."""
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
        "an entry of 1 kB into a warm guest that does next to nothing": lambda: echo.call(0, data),
        "a fresh guest": lambda: _guest(module),
        "op.wasm of 1 kB, all of it": lambda: digest.digest.wasm(data),
        "a batch of 1,000 items of 1 kB, an item": lambda: sandbox.run(
            module, "digest", [request[4:]] * 1000, 10
        ),
        "a plain-Python twin of 1 kB in this process": lambda: twin_process.run_here(
            digest.digest, item, patience
        ),
        "the same in a process of its own, as in a worker": lambda: twin_process.run(
            digest.digest, item, patience
        ),
    }
    found = {
        m.name: m.seconds * 1e6
        for m in measure([Contender(name, "sandbox", run) for name, run in jobs.items()])
    }
    found["a batch of 1,000 items of 1 kB, an item"] /= 1000
    return found | {"a child ready, from a warm cache": _child_us()}


def _echo(engine: Any) -> Guest:
    """A guest whose own work hardly counts: what is left is the host's."""
    text = Path("examples/own_module/shout.wat").read_text()
    module = wasmtime.Module(engine.wasmtime, wasmtime.wat2wasm(text))
    pre = wasmtime.Linker(engine.wasmtime).instantiate_pre(module)
    return Guest(engine, pre, memory_bytes=MIB * 4, time_s=3600)


def _guest(module: Any) -> Guest:
    return invoke.new_guest(module, _LIMITS)


def _child_us() -> float:
    """From fork until every module is loaded, in a child of its own."""
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
