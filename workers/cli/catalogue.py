"""`wasmfleet ops`: the operations there are, the user's own included."""

import importlib
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.cli import lines, tables
from wasmfleet.workers.errors import UnknownOperation

if TYPE_CHECKING:
    from wasmfleet.workers.operation import Operation

    AnyOperation = Operation[..., Any]


def ops(
    name: Annotated[
        str | None, typer.Argument(help="One operation, to be told all of it.", show_default=False)
    ] = None,
    format: Annotated[
        Literal["table", "markdown"], typer.Option(help="A table, or the whole reference in Markdown.")
    ] = "table",
) -> None:
    """List the operations, or tell all of one."""
    known, refused = operations(settings())
    for module, reason in refused.items():
        lines.say(f"{module} is refused: {reason}", err=True)
    if format == "markdown":
        from wasmfleet.workers.cli import reference

        lines.say(*reference.markdown(known.values()).removesuffix("\n").split("\n"))
    elif name is None:
        tables.echo([_cells(operation) for operation in known.values()])
    else:
        _print_one(named(known, name))


def operations(settings: Settings) -> "tuple[dict[str, AnyOperation], dict[str, str]]":
    """Every operation by its name without `wasmfleet.`, and why some of the user's files are none."""
    from wasmfleet.workers import own_modules
    from wasmfleet.workers.app import app, families
    from wasmfleet.workers.operation import PREFIX, Operation

    for family in families():
        importlib.import_module(family)
    refused = own_modules.register(settings)
    found = {
        task.name.removeprefix(PREFIX): task for task in app.tasks.values() if isinstance(task, Operation)
    }
    return dict(sorted(found.items())), refused


def named(known: "dict[str, AnyOperation]", name: str) -> "AnyOperation":
    """The operation of this name. Raises UnknownOperation with the names that are close."""
    short = name.removeprefix("wasmfleet.")
    if short in known:
        return known[short]
    close = get_close_matches(short, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`wasmfleet ops` lists them"
    raise UnknownOperation(f"there is no operation {name[:80]!r}; {hint}")


def served_as(operation: "AnyOperation") -> "AnyOperation":
    """The operation that does the work: an alias stands for another."""
    while operation.alias_of is not None:
        operation = operation.alias_of
    return operation


def _cells(operation: "AnyOperation") -> dict[str, str]:
    return {
        "operation": operation.name.removeprefix("wasmfleet."),
        "signature": signature(operation),
        "parity": _parity(operation),
        "lanes": _lanes(operation),
        "what it does": _first_line(operation),
    }


def _print_one(operation: "AnyOperation") -> None:
    lines.say(f"{operation.name}{signature(operation)}")
    lines.say(f"parity {_parity(operation)}; lanes {_lanes(operation)}")
    if operation.alias_of is not None:
        lines.say(f"runs as {served_as(operation).name}")
    lines.say("", *(inspect.getdoc(operation) or "It has no description.").split("\n"))


def signature(operation: "AnyOperation") -> str:
    """As a caller sees it: without what the worker supplies."""
    from wasmfleet.workers.contract import Supplied

    function = getattr(operation, "__wrapped__", None)
    if function is None:
        shown = ", ".join(f"{name}: {_type(kind)}" for name, kind in operation.contract.types.items())
        return f"({shown})"
    signature = inspect.signature(function)
    sent = [_spelled(p) for p in signature.parameters.values() if not isinstance(p.default, Supplied)]
    given = inspect.signature(getattr(served_as(operation), "__wrapped__", function)).return_annotation
    return str(signature.replace(parameters=sent, return_annotation=_spelled_type(given)))


def _spelled(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=_spelled_type(parameter.annotation))


class _Spelled:
    """A type that a signature prints as it stands."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _spelled_type(annotation: Any) -> Any:
    return _Spelled(_type(annotation))


def _type(annotation: Any) -> str:
    """As it was written, but choices by their values."""
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("wasmfleet.tasks.", "")


def _parity(operation: "AnyOperation") -> str:
    return operation.parity or "none"


def _lanes(operation: "AnyOperation") -> str:
    return "any, wasm, python" if operation.twin is not None else "any, wasm"


def _first_line(operation: "AnyOperation") -> str:
    return (inspect.getdoc(operation) or "").partition("\n")[0]
