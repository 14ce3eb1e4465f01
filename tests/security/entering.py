"""Call the modules given on stdin, unless the interface check refuses them: `python -m tests.security.entering`.

It prints a line for each module: `refused`, `invalid` (Wasmtime does not compile it), or the outcome of calls. The
process crashes if the check lets a wrong type through, which is why it is a process of its own.
"""

import sys

import msgspec
import wasmtime

from wasmfleet.config.settings import MIB
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.runtime.binary import BadBinary, Sections
from wasmfleet.workers.runtime.compiled import check_compiled
from wasmfleet.workers.runtime.engine import Engine
from wasmfleet.workers.runtime.instance import Guest
from wasmfleet.workers.runtime.interface import Unfit, check, of_binary


def verdict(engine: Engine, code: bytes) -> str:
    try:
        check(of_binary(Sections(code)))
    except (BadBinary, Unfit):
        return "refused"
    try:
        module = wasmtime.Module(engine.wasmtime, code)
    except wasmtime.WasmtimeError:
        return "invalid"
    check_compiled(module)  # raises if it refuses what the check of the file's bytes has allowed
    return _entered(engine, module)


def _entered(engine: Engine, module: wasmtime.Module) -> str:
    pre = wasmtime.Linker(engine.wasmtime).instantiate_pre(module)
    try:
        guest = Guest(engine, pre, memory_bytes=64 * MIB, time_s=0.2)
        for _ in range(3):
            guest.read(*guest.call(0, b"a request" * 10))
    except WasmfleetError as error:
        return error.code
    return "entered"


if __name__ == "__main__":
    engine = Engine(64 * MIB)
    for line in sys.stdin.buffer:
        sys.stdout.write(verdict(engine, msgspec.json.decode(line, type=bytes)) + "\n")
        sys.stdout.flush()
