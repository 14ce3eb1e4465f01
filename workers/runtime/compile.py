"""Compile all modules that the cache lacks, in a process of its own: `python -m wasmfleet.workers.runtime.compile`.

Compiling starts threads and takes seconds, so neither a worker nor its children may do it. Each single module is
compiled in one more process (`compiler.py`), which has limits on time and memory.
"""

import hashlib
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import MIB, Settings, settings
from wasmfleet.workers import log_lines
from wasmfleet.workers.runtime import compiler, module_file
from wasmfleet.workers.runtime.cache import Cache
from wasmfleet.workers.runtime.module_file import Unreadable
from wasmfleet.workers.runtime.modules import Binary, NotReady, files, read, state
from wasmfleet.workers.safe_text import shown

_log = logging.getLogger("wasmfleet.compile")
#: Signals by which somebody else ends a process; that it ended so says nothing about the module.
_ENDED_FROM_OUTSIDE: Final = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_CALM: Final = {
    "RAYON_NUM_THREADS": str(min(4, os.cpu_count() or 1)),  # each thread needs a part of the memory limit
    "RUST_BACKTRACE": "0",
}


class _Ended(Exception):
    """The compiling process was ended from outside, or the host lacks something; the module is not to blame."""


def start() -> "subprocess.Popen[bytes]":
    """Start this module as a process. It ends at once where another one is compiling already."""
    return subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.DEVNULL)


def compile_all(settings: Settings, tell: Callable[[str], None]) -> None:
    """Compile the modules that the cache lacks, and call `tell` with each module's name first.

    Returns at once where another process is compiling. Raises NotPrivate where others can write the cache's folder.
    """
    cache = Cache(settings.data_dir / "compiled")
    with cache.compiling() as mine:
        tried: set[str] = set()
        while mine and (found := _next(settings, tried)):
            name, path = found
            tried.add(name)
            tell(name)
            try:
                _compile(read(name, path), cache)
            except (_Ended, NotReady, Unreadable) as error:
                _log.warning("module %s: %s; it is tried again", name, error)


def _next(settings: Settings, tried: set[str]) -> tuple[str, Path] | None:
    """Return the first module that has to be compiled and was not tried, with its file; None where there is none.

    It is asked after each module, so that a file which is repaired meanwhile is compiled in this run too.
    """
    for name, path in files(settings).items():
        if name not in tried and state(name, path, settings)[0] == "compiling":
            return name, path
    return None


def _compile(binary: Binary, cache: Cache) -> None:
    """Compile a module and keep its machine code or the reason why it does not compile. Raises _Ended, Unreadable."""
    code = module_file.code(binary.path)
    if hashlib.sha256(code).hexdigest() != binary.sha256:
        return  # the file has just changed; the next run reads it anew
    done = subprocess.run(
        [sys.executable, "-m", compiler.__name__], input=code, capture_output=True, env=os.environ | _CALM
    )
    if done.returncode == 0:
        cache.store(binary.sha256, done.stdout)
    elif done.returncode == compiler.REFUSED:
        cache.store_failure(binary.sha256, shown(done.stdout.decode(errors="replace")))
    elif done.returncode == compiler.HOST_LACKS or _is_short_of_address_space(done.stderr):
        raise _Ended("the host gives too little memory or address space to compile it")
    else:
        cache.store_failure(binary.sha256, _end(done.returncode, done.stderr))


def _end(code: int, said: bytes) -> str:
    """Return why a compiling process ended without an answer. Raises _Ended where the module is not to blame."""
    if -code in _ENDED_FROM_OUTSIDE:
        raise _Ended(f"the compiler was ended by {signal.Signals(-code).name}")
    if -code == signal.SIGXCPU:
        return f"compiling it takes more than {compiler.CPU_S} s of CPU time"
    if _is_out_of_memory(said):
        return f"compiling it takes more than {compiler.MEMORY_BYTES // MIB:,} MiB of memory"
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    return f"the compiler ended with {how}"


def _is_out_of_memory(said: bytes) -> bool:
    return b"memory allocation of" in said or b"MemoryError" in said


def _is_short_of_address_space(said: bytes) -> bool:
    """Whether memory was wanting where a limit on address space stands, which is the host's and not the compiler's."""
    return _is_out_of_memory(said) and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _log_to_stderr() -> None:
    lines = logging.StreamHandler()
    lines.setFormatter(log_lines.formatter(settings()))
    _log.addHandler(lines)


if __name__ == "__main__":
    _log_to_stderr()
    compile_all(settings(), lambda name: None)
