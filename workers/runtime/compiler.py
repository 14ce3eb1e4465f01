"""Compile one module within limits: its bytes come on stdin, machine code or the reason of a refusal goes to stdout.

A file chooses how much time and memory its compilation takes, so that is done in a process that may die of it.
"""

import resource
import sys
from typing import Final

import wasmtime

from wasmfleet.workers.runtime.compiled import check_compiled
from wasmfleet.workers.runtime.engine import compiler
from wasmfleet.workers.runtime.interface import Unfit
from wasmfleet.workers.safe_text import storable

#: The largest built-in module takes 5 s and 200 MiB.
CPU_S: Final = 60
MEMORY_BYTES: Final = 1 << 30
REFUSED: Final = 3


def main() -> int:
    """Gives 0 with machine code, or REFUSED with a reason, on stdout."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    try:
        code, engine = sys.stdin.buffer.read(), compiler()
        wasmtime.Module.validate(engine, code)  # says what is wrong; the compiler says where first
        module = wasmtime.Module(engine, code)
        check_compiled(module)
        sys.stdout.buffer.write(module.serialize())
    except (wasmtime.WasmtimeError, Unfit) as error:
        sys.stdout.write(storable(error).partition("\n")[0])
        return REFUSED
    return 0


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(what, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
