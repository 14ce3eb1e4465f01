"""The command `wasmfleet`: its entry point, and how errors are printed."""

import os
import sqlite3
import sys
from typing import Final

from wasmfleet.config.settings import SettingsError
from wasmfleet.workers import extras
from wasmfleet.workers.cli import lines
from wasmfleet.workers.errors import WasmfleetError

COULD_NOT_RUN: Final = 2


def main() -> None:
    """Run the console script. Errors that are expected are printed in one line; a traceback is a defect."""
    try:
        _run()
    except (WasmfleetError, SettingsError) as error:
        _fail(str(error))
    except sqlite3.Error as error:
        _fail(f"the result log in the data folder cannot be used: {error}")
    except BrokenPipeError:
        # Or Python's own flush at its end fails.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not _is_redis_error(error):
            raise
        _fail(f"the broker or the state store does not answer: {error}")


def _is_redis_error(error: Exception) -> bool:
    """Whether redis-py raised it. The package takes longer to import than some commands run."""
    module = sys.modules.get("redis.exceptions")
    return module is not None and isinstance(error, module.RedisError)


def _run() -> None:
    if not extras.has_fleet():
        from wasmfleet.workers.cli import client

        client.run(sys.argv[1:])
        return
    if sys.argv[1:2] == ["healthy"]:
        _run_alone()
        return
    from wasmfleet.workers.cli.commands import app

    with extras.needed("fleet", "this command"):
        app(prog_name="wasmfleet")


def _run_alone() -> None:
    """Run `healthy` without importing the other commands: it is run every few seconds."""
    import typer

    from wasmfleet.workers.cli import program
    from wasmfleet.workers.cli.healthy import healthy

    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command("healthy", context_settings=program.CONTEXT)(healthy)
    app(sys.argv[2:], prog_name="wasmfleet healthy")


def _fail(line: str) -> None:
    lines.fail(line)
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
