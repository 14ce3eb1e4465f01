"""What the commands print: in it, text from outside can neither control the terminal nor pass for a line of ours."""

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from wasmfleet.workers.safe_text import shown, storable

_MOST_LEVELS: Final = 60
#: What a spreadsheet takes for a formula when it opens a CSV file.
_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def say(*texts: str, err: bool = False, before: str = "") -> None:
    """Print each text as one line, whatever is in it; `before` is printed unchanged, colours included."""
    click.echo(before + "\n".join(map(shown, texts)), err=err)


def fail(text: str) -> None:
    """Print on standard error, in one line, what went wrong."""
    say(f"wasmfleet: {' '.join(text.splitlines())}", err=True)


def json_of(value: Any) -> bytes:
    """Write a value as indented JSON with a newline at its end; control characters are written as JSON escapes."""
    import msgspec

    try:
        packed = msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):  # it holds what JSON cannot express
        packed = msgspec.json.encode(_plain(value))
    lines = msgspec.json.format(packed, indent=2).decode().split("\n")
    return "".join(f"{line if line.isprintable() else _escaped(line)}\n" for line in lines).encode()


def write(content: bytes) -> None:
    """Write a document to standard output, unchanged."""
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as CSV, with an apostrophe before text that a spreadsheet would take for a formula."""
    if rows:
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return shown(f"'{value}" if _FORMULA.match(value) else value)


def _escaped(line: str) -> str:
    return "".join(c if c.isprintable() else _json_escape(c) for c in line)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _plain(value: Any, levels: int = _MOST_LEVELS) -> Any:
    """Convert a value to kinds that JSON has; anything else, and what nests very deep, becomes text."""
    import msgspec

    if isinstance(value, dict) and levels:
        return {storable(name): _plain(inner, levels - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple) and levels:
        return [_plain(inner, levels - 1) for inner in value]
    if isinstance(value, msgspec.Struct) and levels:
        return _plain(msgspec.structs.asdict(value), levels)
    if value is None or isinstance(value, bool | int | float | bytes):
        return value
    return storable(value, 1 << 20)
