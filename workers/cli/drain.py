"""`wasmfleet drain`: let workers finish the calls they have, before a restart or an upgrade of their node."""

import time
from typing import Annotated, Any, Final

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import fleet, lines
from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import InvalidArguments, RuntimeUnavailable

_REPLY_S: Final = 2.0
_POLL_S: Final = 0.5


def drain(
    worker: Annotated[
        list[str] | None, typer.Argument(help="Only these workers, as `wasmfleet doctor` names them.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Let the workers take messages again.")] = False,
) -> None:
    """Let workers finish the calls they have and take no more; ends when they are idle.

    New messages stay in the queues for other workers.
    """
    from wasmfleet.workers.app import app

    names = _chosen(worker)
    _order(app, names, wanted=not resume)
    if resume:
        lines.say(f"serving again: {', '.join(names)}")
        return
    lines.say(f"draining: {', '.join(names)}", err=True)
    while busy := _busy(app, names):
        lines.say(f"waiting for {counted(busy, 'call', 'calls')} to end", err=True)
        time.sleep(_POLL_S)
    lines.say(f"drained: {', '.join(names)}; `wasmfleet drain --resume` undoes it")


def _chosen(asked: list[str] | None) -> list[str]:
    seen = sorted(one.worker for one in fleet.workers(settings()))
    if not seen:
        raise RuntimeUnavailable("no worker is running, so there is nothing to drain")
    unknown = sorted(set(asked or ()) - set(seen))
    if unknown:
        raise InvalidArguments(f"no worker {unknown[0]!r} is running; there are {', '.join(seen)}")
    return asked or seen


def _order(app: Any, names: list[str], *, wanted: bool) -> None:
    from wasmfleet.workers.reception.drain import COMMAND

    said = app.control.broadcast(
        COMMAND, arguments={"wanted": wanted}, destination=names, reply=True, timeout=_REPLY_S
    )
    answered = {name for answer in said or () if isinstance(answer, dict) for name in answer}
    silent = sorted(set(names) - answered)
    if silent:
        raise RuntimeUnavailable(f"{silent[0]} did not answer within {_REPLY_S:g} s")


def _busy(app: Any, names: list[str]) -> int:
    """Count the calls that these workers have taken and not ended.

    Calls with a later start time (`eta`) are not counted: they go back to their queues when the workers stop.
    """
    asked = app.control.inspect(destination=names, timeout=_REPLY_S)
    try:
        told = [asked.active() or {}, asked.reserved() or {}]
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # Celery does not check answers
        raise RuntimeUnavailable(f"a worker's answer cannot be read: {error}") from None
    mine = [answer[name] for answer in told for name in names if name in answer]
    return sum(len(tasks) for tasks in mine if isinstance(tasks, list))
