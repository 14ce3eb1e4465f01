"""`wasmfleet ops`: list the operations, those of the user's own modules included, or describe one."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import catalogue, lines, tables

if TYPE_CHECKING:
    from wasmfleet.workers.cli.descriptions import Task


def ops(
    name: Annotated[
        str | None, typer.Argument(help="The operation to describe in full.", show_default=False)
    ] = None,
    format: Annotated[
        Literal["table", "markdown"], typer.Option(help="A table, or the whole reference in Markdown.")
    ] = "table",
) -> None:
    """List the operations, or describe one in full."""
    from wasmfleet.workers.cli import descriptions

    known = catalogue.told(settings())
    if format == "markdown":
        from wasmfleet.workers.cli import reference

        lines.say(*reference.markdown(known.values()).removesuffix("\n").split("\n"))
    elif name is None:
        tables.echo([_cells(task) for task in known.values()])
    else:
        lines.say(*descriptions.of(catalogue.named(known, name)))


def _cells(task: "Task") -> dict[str, str]:
    from wasmfleet.workers.cli import descriptions, signatures

    return {
        "operation": task.name.removeprefix("wasmfleet."),
        "signature": signatures.spelled(task.operation),
        "parity": descriptions.parity(task),
        "lanes": descriptions.lanes(task),
        "what it does": descriptions.first_line(task),
    }
