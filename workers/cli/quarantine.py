"""`wasmfleet quarantine`: list, show, send again or drop the messages that were set aside."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
import typer

from wasmfleet.workers.cli import ages, completion, lines, tables
from wasmfleet.workers.errors import InvalidArguments
from wasmfleet.workers.fleet_state import quarantine as store

Format = Literal["table", "json"]
_Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="As `list` shows it; its first characters do.",
        autocompletion=completion.set_aside,
    ),
]

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
        tables.echo([_cells(entry) for entry in found], least=("bytes", "at", "operation", "reason"))
    else:
        lines.say("nothing is set aside", err=True)


@app.command()
def show(id: _Id) -> None:
    """Show one entry as JSON: why it was set aside, its digests, its module, and its message where that was kept."""
    lines.write(lines.json_of(_plain(store.get(store.whole_id(id)))))


@app.command()
def retry(id: _Id) -> None:
    """Send an entry's message again, as a new task."""
    lines.say(f"sent again as {store.retry(store.whole_id(id))}")


@app.command()
def drop(
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="As `list` shows it; its first characters do.",
            show_default=False,
            autocompletion=completion.set_aside,
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Every entry.")] = False,
    operation: Annotated[
        str | None,
        typer.Option(help="Every entry of this operation; `ast.*` works too.", show_default=False),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Every entry older than 1h, 7d.", show_default=False)
    ] = None,
) -> None:
    """Delete an entry for good, or all that the options choose; of two options, those that fit both."""
    chosen_by_options = all or operation is not None or older_than is not None
    if (id is not None) == chosen_by_options:
        raise InvalidArguments("name one entry, or choose some by --all, --operation or --older-than")
    dropped = [store.whole_id(id)] if id is not None else _chosen(operation, older_than)
    for one in dropped:
        store.drop(one)
    lines.say(f"dropped {dropped[0]}" if len(dropped) == 1 else f"dropped {len(dropped):,} entries")


def _chosen(operation: str | None, older_than: str | None) -> list[str]:
    """Return the ids of the entries of an operation (a pattern, by default any) that are older than an age."""
    before = time.time() - (ages.seconds(older_than, "--older-than") if older_than else 0)
    pattern = (operation or "*").removeprefix("wasmfleet.")
    return [
        entry.id
        for entry in store.entries()
        if fnmatchcase(entry.operation.removeprefix("wasmfleet."), pattern) and entry.at <= before
    ]


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
