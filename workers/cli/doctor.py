"""`wasmfleet doctor`: what is wrong with this installation, and how to mend it."""

import os
from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from wasmfleet.config import foreign
from wasmfleet.config.settings import NAMES, Settings, SettingsError, settings
from wasmfleet.workers.cli import fleet_checkups, lines, machine_checkups, url_checkups
from wasmfleet.workers.cli.checkup import Checkup, ok, problem, warning
from wasmfleet.workers.counting import counted

Format = Literal["text", "json"]
_COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "problem": typer.colors.RED}


def doctor(
    format: Annotated[Format, typer.Option(help="How the findings are written.")] = "text",
    fleet: Annotated[
        bool, typer.Option("--fleet", help="Only the fleet: what each worker reports, and how they differ.")
    ] = False,
) -> None:
    """Say what is wrong with this installation and how to mend it. Exits with 1 when something is wrong."""
    told = _examined(fleet)
    if format == "json":
        lines.write(lines.json_of(told))
    else:
        _print(told)
    raise typer.Exit(1 if any(checkup.state == "problem" for checkup in told) else 0)


def _examined(fleet: bool) -> list[Checkup]:
    told = list(url_checkups.examine(os.environ))
    try:
        read = settings()
        told.append(ok("settings", _shown(read)))
        told.extend(_foreign())
        for checkup in fleet_checkups.examine(read, whole=True) if fleet else machine_checkups.examine(read):
            told.append(checkup)  # one by one, so that an error in a later check loses no earlier result
    except SettingsError as error:
        told.append(problem("settings", str(error), "correct that setting, or what it names"))
    return told


def _foreign() -> Iterator[Checkup]:
    """Name the variables that begin as the settings do and set nothing."""
    variables = foreign.found(os.environ, NAMES)
    if not variables:
        return
    finding = "; ".join(f"{one.variable}: {one.reason}" for one in variables)
    if any(one.is_setting for one in variables):
        yield warning("other variables", finding, foreign.MEND)
    elif any(not foreign.is_of_a_service(one.variable, one.text) for one in variables):
        yield warning("other variables", finding, "remove those that were meant for Wasmfleet")
    else:
        yield ok("other variables", f"ignored: {finding}")


def _shown(settings: Settings) -> str:
    places = counted(len(settings.modules), "place", "places")
    modules = f", {places} with your own modules" if settings.modules else ""
    return f"valid; lane {settings.lane}, {settings.time_limit:g} s and {settings.memory_limit} MiB a call{modules}"


def _print(told: list[Checkup]) -> None:
    for checkup in told:
        state = typer.style(f"{checkup.state:8}", fg=_COLOURS[checkup.state])
        lines.say(f"{checkup.what}: {checkup.finding}", before=state)
        if checkup.mend:
            lines.say(f"{'':8}mend: {checkup.mend}")
    problems = sum(checkup.state == "problem" for checkup in told)
    lines.say(counted(problems, "problem", "problems") if problems else "healthy")
