"""`wasmfleet healthy`: whether one process lives, for Compose and Kubernetes. Cheap, and no verdict on the fleet."""

from typing import Annotated, Final, Literal

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import lines

_FLOWER_S: Final = 2.0


def healthy(
    what: Annotated[Literal["worker", "flower"], typer.Argument(help="Which kind of process to look at.")],
    which: Annotated[
        str, typer.Argument(help="A worker's name, role or pid; without it, all workers of this node.")
    ] = "",
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask whether it takes calls now, not only whether it lives.")
    ] = False,
) -> None:
    """Say in one line whether a process of this data folder and node lives. Exits with 0 if so, else with 1.

    A worker that waits for its broker lives, and is not ready. `wasmfleet doctor` says more, and takes longer.
    """
    trouble, fine = _flower() if what == "flower" else _workers(which, ready)
    lines.say(trouble or fine)
    raise typer.Exit(1 if trouble else 0)


def _workers(which: str, ready: bool) -> tuple[str, str]:
    """Return what is wrong with the workers, or "", and what to say where nothing is."""
    from wasmfleet.workers.node import host, vital_signs

    now = vital_signs.now()
    found = [
        one
        for one in vital_signs.of_node(settings(), host.name())
        if not which or which in (one.name, one.role, str(one.pid))
    ]
    if not found:
        return f"no worker{f' {which}' if which else ''} runs on this node with {settings().data_dir}", ""
    for one in found:
        if why := one.unready_because(now) if ready else one.dead_because(now):
            return f"{one.name} is {'not ready' if ready else 'dead'}: {why}", ""
    phases = ", ".join(f"{one.name} {'is ready' if ready else f'lives ({one.phase})'}" for one in found)
    return "", phases


def _flower() -> tuple[str, str]:
    from wasmfleet.workers.node import addresses

    url = addresses.flower(settings())
    if why := addresses.flower_trouble(url, _FLOWER_S):
        return f"Flower does not answer at {url}: {why}", ""
    return "", f"Flower answers at {url}"
