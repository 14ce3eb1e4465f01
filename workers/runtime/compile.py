"""Compiles what is not in the cache, in a process of its own: `python -m wasmfleet.workers.runtime.compile`.

Compiling starts threads and takes seconds, so neither a worker nor its children may do it.
"""

import subprocess
import sys
from collections.abc import Callable

import wasmtime

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.runtime.cache import Cache
from wasmfleet.workers.runtime.engine import compiler
from wasmfleet.workers.runtime.modules import Binary, NotReady, files, read, state

_EXPORTS = {"memory", "reserve", "call"}


def start() -> "subprocess.Popen[bytes]":
    """Starts the compiling process; at most one at a time does the work."""
    return subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.DEVNULL)


def compile_all(settings: Settings, tell: Callable[[str], None]) -> None:
    """Compiles what is not compiled yet, and tells each module's name before it does."""
    cache = Cache(settings.data_dir / "compiled")
    with cache.compiling() as mine:
        if not mine:
            return
        for name, path in files(settings).items():
            if state(name, path, settings)[0] == "compiling":
                tell(name)
                _compile(read(name, path), cache)


def _compile(binary: Binary, cache: Cache) -> None:
    try:
        module = wasmtime.Module(compiler(), binary.code)
        _check(module)
        cache.store(binary.sha256, bytes(module.serialize()))
    except (wasmtime.WasmtimeError, NotReady) as error:
        cache.store_failure(binary.sha256, str(error).splitlines()[0])


def _check(module: wasmtime.Module) -> None:
    if module.imports:
        first = module.imports[0]
        raise NotReady("failed", f"imports {first.module}.{first.name}; a module must import nothing")
    missing = _EXPORTS - {export.name for export in module.exports}
    if missing:
        raise NotReady("failed", f"does not export {', '.join(sorted(missing))}")


if __name__ == "__main__":
    compile_all(settings(), lambda name: None)
