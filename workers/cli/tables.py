"""Plain tables for people, without ruled lines; where the output is no terminal, they are as wide as need be."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import typer

from wasmfleet.workers.safe_text import shown

_WIDE: Final = 240


def echo(rows: Sequence[Mapping[str, str]]) -> None:
    """Print one line for each row under a line of column names; columns of numbers are aligned right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right" if all(_is_number(row[name]) for row in rows) else "left")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row.values()))
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    with console.capture() as captured:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _is_number(text: str) -> bool:
    return text == "-" or text.strip("0123456789.,%") == ""
