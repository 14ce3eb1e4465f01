"""The command `wasmfleet`: its entry point, and how errors are printed."""

import os
import sqlite3
import sys
from typing import Final

from redis.exceptions import RedisError

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
    except RedisError as error:
        _fail(f"the broker or the state store does not answer: {error}")
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


def _run() -> None:
    if not extras.has_fleet():
        from wasmfleet.workers.cli import client

        client.run(sys.argv[1:])
        return
    from wasmfleet.workers.cli.commands import app

    with extras.needed("fleet", "this command"):
        app(prog_name="wasmfleet")


def _fail(line: str) -> None:
    lines.fail(line)
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
