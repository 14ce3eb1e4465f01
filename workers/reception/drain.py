"""The remote-control command behind `wasmfleet drain`: a worker ends what it has and takes nothing more."""

from typing import Any, Final

from celery.worker.control import control_command

from wasmfleet.workers.reception.intake import intake

COMMAND: Final = "wasmfleet_drain"


@control_command(name=COMMAND, args=[("wanted", bool)])
def drain(_state: Any, wanted: bool = True) -> dict[str, str]:
    """Stops taking messages, or takes them again."""
    if wanted:
        intake.drain()
    else:
        intake.resume()
    return {"ok": "draining" if wanted else "serving"}
