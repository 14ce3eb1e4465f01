"""The commands of `wasmfleet` where a fleet is installed, by Typer."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from wasmfleet.workers.cli import (
    check,
    compile,
    doctor,
    drain,
    healthy,
    ops,
    processes,
    program,
    quarantine,
    results,
    submit,
    up,
    url,
)
from wasmfleet.workers.cli.version import version
from wasmfleet.workers.safe_text import shown


class _Group(TyperGroup):
    """Typer's group of commands, which also escapes what its complaints quote: a file's name may come from anybody."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _printable_complaints():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _printable_complaints():
            return super().invoke(ctx)


@contextlib.contextmanager
def _printable_complaints() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Typer 0.29 brings a click of its own and does not export that one's errors: they are known by this method.
        if hasattr(error, "format_message"):
            error.message = shown(getattr(error, "message", ""))  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="wasmfleet",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=program.CONTEXT,
)
_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    up.up,
    check.check,
    submit.submit,
    results.results,
    ops.ops,
    doctor.doctor,
    drain.drain,
    healthy.healthy,
    url.url,
    compile.compile,
    processes.broker,
    processes.worker,
    processes.flower,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(quarantine.app, name="quarantine")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"wasmfleet {version()}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """WebAssembly functions as Celery tasks, under memory, time and stack limits."""
