"""The command `wasmfleet`: every subcommand, and how what goes wrong is told."""

import sqlite3
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer
from redis.exceptions import RedisError

from wasmfleet.config.settings import SettingsError
from wasmfleet.workers.cli import (
    catalogue,
    check,
    compile,
    doctor,
    drain,
    processes,
    quarantine,
    results,
    submit,
    url,
)
from wasmfleet.workers.cli.version import version
from wasmfleet.workers.errors import WasmfleetError

COULD_NOT_RUN: Final = 2

app = typer.Typer(
    name="wasmfleet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    processes.up,
    check.check,
    submit.submit,
    results.results,
    catalogue.ops,
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
    """The console script. One line for whatever is known to go wrong; a traceback is a defect."""
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
    typer.echo(f"wasmfleet: {' '.join(line.splitlines())}", err=True)
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
