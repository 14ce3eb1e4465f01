"""The command `wasmfleet`: the list of its subcommands, and how errors are printed."""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer
from redis.exceptions import RedisError
from typer.core import TyperGroup

from wasmfleet.config.settings import SettingsError
from wasmfleet.workers.cli import (
    check,
    compile,
    doctor,
    drain,
    lines,
    ops,
    processes,
    quarantine,
    results,
    submit,
    up,
    url,
)
from wasmfleet.workers.cli.version import version
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.safe_text import shown

COULD_NOT_RUN: Final = 2


class _Group(TyperGroup):
    """Typer's group of commands, with usage errors made printable.

    They quote the user's words, and file names among these may come from anybody.
    """

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
        # Typer 0.29 contains a copy of click whose error classes it does not export, so they are told by their method.
        if hasattr(error, "format_message"):
            error.message = shown(getattr(error, "message", ""))  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="wasmfleet",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    up.up,
    check.check,
    submit.submit,
    results.results,
    ops.ops,
    doctor.doctor,
    drain.drain,
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


def main() -> None:
    """Run the console script. Errors that are expected are printed in one line; a traceback is a defect."""
    try:
        app(prog_name="wasmfleet")
    except (WasmfleetError, SettingsError) as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"the broker or the state store does not answer: {error}")
    except sqlite3.Error as error:
        _fail(f"the result log in the data folder cannot be used: {error}")
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(line: str) -> None:
    lines.fail(line)
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
