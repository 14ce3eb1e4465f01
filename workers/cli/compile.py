"""`wasmfleet compile`: compile every module for this machine."""

import time
from typing import Final

import typer

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.cli import lines

_OTHER_COMPILES_S: Final = 180.0
_POLL_S: Final = 0.2


def compile() -> None:
    """Compile every module that is not compiled yet. Exits with 1 when one cannot be used afterwards."""
    from wasmfleet.workers.node import data_folder, private_files
    from wasmfleet.workers.runtime import modules

    private_files.folder(settings().data_dir)
    data_folder.refuse_shared(settings())
    _compile_all(settings())
    states = modules.states(settings())
    for name, (state, reason) in states.items():
        lines.say(f"{name}: {state}{f' ({reason})' if reason else ''}")
    raise typer.Exit(0 if all(state == "ready" for state, _ in states.values()) else 1)


def _compile_all(settings: Settings) -> None:
    """Compile the modules in this process, or wait for another process that is already compiling them."""
    from wasmfleet.workers.runtime import modules

    try:
        compiler = modules.wasmtime_part("compile")
    except modules.NotReady:
        return  # the states that are printed afterwards say why
    deadline = time.monotonic() + _OTHER_COMPILES_S
    compiler.compile_all(settings, _tell)
    while _compiling(settings) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        compiler.compile_all(settings, _tell)


def _tell(name: str) -> None:
    lines.say(f"{name}: compiling")


def _compiling(settings: Settings) -> bool:
    from wasmfleet.workers.runtime import modules

    return any(state == "compiling" for state, _ in modules.states(settings).values())
