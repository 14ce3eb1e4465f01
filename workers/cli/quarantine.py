"""`wasmfleet quarantine`: list, show, send again or drop the messages that were set aside."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import typer

from wasmfleet.workers.cli import lines, tables
from wasmfleet.workers.fleet_state import quarantine as store

Format = Literal["table", "json"]
_Id = Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")]

app = typer.Typer(
    no_args_is_help=True, help="Show messages that were set aside, send them again, or drop them."
)


@app.command("list")
def list_entries(format: Annotated[Format, typer.Option(help="How the list is written.")] = "table") -> None:
    """List what is set aside, newest first."""
    found = store.entries()
    if format == "json":
        lines.write(lines.json_of([_plain(entry) for entry in found]))
    elif found:
        tables.echo([_cells(entry) for entry in found])
    else:
        lines.say("nothing is set aside", err=True)


@app.command()
def show(id: _Id) -> None:
    """Show one entry as JSON: why it was set aside, its digests, its module, and its message where that was kept."""
    lines.write(lines.json_of(_plain(store.get(id))))


@app.command()
def retry(id: _Id) -> None:
    """Send an entry's message again, as a new task."""
    lines.say(f"sent again as {store.retry(id)}")


@app.command()
def drop(id: _Id) -> None:
    """Delete an entry for good."""
    store.drop(id)
    lines.say(f"dropped {id}")


def _cells(entry: store.Entry) -> dict[str, str]:
    return {
        "id": entry.id,
        "at": _time(entry),
        "operation": entry.operation.removeprefix("wasmfleet.") or "-",
        "bytes": f"{entry.size_bytes:,}",
        "reason": entry.reason,
    }


def _time(entry: store.Entry) -> str:
    return datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _plain(entry: store.Entry) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(entry) | {"at": _time(entry)}
    if entry.message:
        shown["message"] |= {"body": _readable(entry.message)}
    return shown


def _readable(message: store.Message) -> Any:
    """Decode a body in MessagePack or JSON; anything else is shown as text."""
    decoders: dict[str, Callable[[bytes], Any]] = {
        "application/x-msgpack": msgspec.msgpack.decode,
        "application/json": msgspec.json.decode,
    }
    try:
        return decoders[message.content_type](message.body)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return message.body.decode("utf-8", "replace")
