"""`wasmfleet ops`: list the operations, those of the user's own modules included, or describe one."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wasmfleet.config.settings import settings
from wasmfleet.workers.cli import catalogue, lines, tables

if TYPE_CHECKING:
    from wasmfleet.workers.calls.task import OperationTask


def ops(
    name: Annotated[
        str | None, typer.Argument(help="The operation to describe in full.", show_default=False)
    ] = None,
    format: Annotated[
        Literal["table", "markdown"], typer.Option(help="A table, or the whole reference in Markdown.")
    ] = "table",
) -> None:
    """List the operations, or describe one in full."""
    known, refused = catalogue.operations(settings())
    for module, reason in refused.items():
        lines.say(f"{module} is refused: {reason}", err=True)
    if format == "markdown":
        from wasmfleet.workers.cli import reference

        lines.say(*reference.markdown(known.values()).removesuffix("\n").split("\n"))
    elif name is None:
        tables.echo([_cells(task) for task in known.values()])
    else:
        _print_one(catalogue.named(known, name))


def _cells(task: "OperationTask[..., Any]") -> dict[str, str]:
    from wasmfleet.workers.cli import signatures

    return {
        "operation": task.name.removeprefix("wasmfleet."),
        "signature": signatures.spelled(task.operation),
        "parity": _parity(task),
        "lanes": _lanes(task),
        "what it does": _first_line(task),
    }


def _print_one(task: "OperationTask[..., Any]") -> None:
    from wasmfleet.workers.cli import signatures

    lines.say(f"{task.name}{signatures.spelled(task.operation)}")
    lines.say(f"parity {_parity(task)}; lanes {_lanes(task)}")
    if task.operation.alias_of is not None:
        lines.say(f"runs as {task.operation.target.name}")
    lines.say("", *(inspect.getdoc(task) or "It has no description.").split("\n"))


def _parity(task: "OperationTask[..., Any]") -> str:
    return task.operation.parity or "none"


def _lanes(task: "OperationTask[..., Any]") -> str:
    return "any, wasm, python" if task.operation.twin is not None else "any, wasm"


def _first_line(task: "OperationTask[..., Any]") -> str:
    return (inspect.getdoc(task) or "").partition("\n")[0]
