"""The remote-control command of `wasmfleet drain`: a worker finishes what it has taken and takes nothing more."""

from typing import Any, Final

from celery.worker.control import control_command

from wasmfleet.workers.reception.intake import intake

COMMAND: Final = "wasmfleet_drain"


@control_command(name=COMMAND, args=[("wanted", bool)])
def drain(_state: Any, wanted: bool = True) -> dict[str, str]:
    """Stop taking messages, or with `wanted=False` take them again. Returns what the worker does from now on."""
    if wanted:
        intake.drain()
    else:
        intake.resume()
    return {"ok": "draining" if wanted else "serving"}
