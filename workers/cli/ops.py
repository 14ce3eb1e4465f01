"""`wasmfleet ops`: list the operations, those of the user's own modules included, or describe one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import catalogue, completion, lines, tables

if TYPE_CHECKING:
    from wasmfleet.workers.cli.descriptions import Task

Format = Literal["table", "json", "markdown"]


def ops(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The operation to describe in full, or the family to list.",
            show_default=False,
            autocompletion=completion.operations_and_families,
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="A table, JSON, or the whole reference in Markdown.")
    ] = "table",
) -> None:
    """List the operations, or those of one family, or describe one operation in full."""
    known = catalogue.told(settings())
    chosen = known if name is None else catalogue.matching(known, name)
    if format == "json":
        lines.write(lines.json_of([_told(task) for task in chosen.values()]))
    elif format == "markdown":
        from wasmfleet.workers.cli import reference

        lines.say(*reference.markdown(chosen.values()).removesuffix("\n").split("\n"))
    elif name in (None, *catalogue.families(known)):
        _list(chosen)
    else:
        from wasmfleet.workers.cli import descriptions

        [task] = chosen.values()
        lines.say(*descriptions.of(task))


def _list(tasks: "Mapping[str, Task]") -> None:
    least = ("signature", "lanes", "parity")
    tables.echo([_cells(task) for task in tasks.values()], least=least)


def _cells(task: "Task") -> dict[str, str]:
    from wasmfleet.workers.cli import descriptions, signatures

    return {
        "operation": task.name.removeprefix("wasmfleet."),
        "signature": signatures.spelled(task.operation),
        "parity": descriptions.parity(task),
        "lanes": descriptions.lanes(task),
        "what it does": descriptions.first_line(task),
    }


def _told(task: "Task") -> dict[str, Any]:
    import inspect

    return {
        "name": task.name,
        **{name: text for name, text in _cells(task).items() if name in ("signature", "parity")},
        "lanes": _cells(task)["lanes"].split(", "),
        "alias_of": task.operation.alias_of.name if task.operation.alias_of else None,
        "description": inspect.getdoc(task) or "",
    }
