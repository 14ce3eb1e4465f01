"""Compile one module within limits: its bytes come on stdin, machine code or the reason of a refusal goes to stdout.

A module's bytes decide how much time and memory its compilation takes. So this is a process of its own, and it does no
harm if it dies.
"""

import resource
import sys
from typing import Final

import wasmtime

from wasmfleet.workers.runtime import first_page
from wasmfleet.workers.runtime.binary import BadBinary
from wasmfleet.workers.runtime.compiled import check_compiled
from wasmfleet.workers.runtime.engine import compiler
from wasmfleet.workers.runtime.interface import Unfit
from wasmfleet.workers.safe_text import storable

#: Limits of the process; the largest built-in module takes 5 s and 200 MiB. The last two are exit statuses with which a
#: reason comes: what is wrong with the module, or what the kernel did not give.
CPU_S: Final = 60
MEMORY_BYTES: Final = 1 << 30
REFUSED: Final = 3
HOST_LACKS: Final = 4


def main() -> int:
    """Return the exit status: 0 with machine code on stdout, or REFUSED or HOST_LACKS with a reason there."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    try:
        code, engine = sys.stdin.buffer.read(), compiler()
        wasmtime.Module.validate(engine, code)  # its first line says what is wrong, the compiler's only where
        module = wasmtime.Module(engine, first_page.given(code))
        check_compiled(module)
        sys.stdout.buffer.write(module.serialize())
    except (wasmtime.WasmtimeError, BadBinary, Unfit) as error:
        sys.stdout.write(storable(error).partition("\n")[0])
        return HOST_LACKS if "os error" in str(error) else REFUSED
    return 0


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(what, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
