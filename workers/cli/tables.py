"""Plain tables for people, without ruled lines: a narrow terminal hides whole columns, and nothing is ever cut."""

import sys
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size
from typing import Final

import typer

from wasmfleet.workers.cli import lines
from wasmfleet.workers.safe_text import shown

_GAP: Final = 2
_LEAST_TEXT: Final = 40  # columns that a last column of sentences needs when it is wrapped at words


def echo(
    rows: Sequence[Mapping[str, str]], *, least: Sequence[str] = (), last_needs: int = _LEAST_TEXT
) -> None:
    """Print one line for each row under a line of column names; columns of numbers are aligned right.

    Where the terminal is too narrow, the columns named in `least` are hidden, the first of them first, and standard
    error says so. The last column that is left is wrapped at words. Where the output is no terminal, lines are as long
    as need be.
    """
    cells = [{name: shown(text) for name, text in row.items()} for row in rows]
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    names = list(cells[0])
    hidden = _hidden(cells, least, width, last_needs) if width else []
    kept = [name for name in names if name not in hidden]
    typer.echo(_drawn(cells, kept, width, last_needs))
    if hidden:
        told = ", ".join(name for name in names if name in hidden)
        lines.say(f"(hidden: {told}; `--format json` has all)", err=True)


def _hidden(
    cells: Sequence[Mapping[str, str]], least: Sequence[str], width: int, last_needs: int
) -> list[str]:
    """Choose the columns to hide, so that the others fit where the last of them may be wrapped."""
    hidden: list[str] = []
    for name in least:
        if _needed(cells, [kept for kept in cells[0] if kept not in hidden], last_needs) <= width:
            break
        hidden.append(name)
    return hidden


def _needed(cells: Sequence[Mapping[str, str]], names: Sequence[str], last_needs: int) -> int:
    *fixed, last = (_width(cells, name) for name in names)
    return sum(fixed) + _GAP * len(fixed) + min(last, last_needs)


def _width(cells: Sequence[Mapping[str, str]], name: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, (name, *(row[name] for row in cells))))


def _drawn(
    cells: Sequence[Mapping[str, str]], names: Sequence[str], width: int | None, last_needs: int
) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        number = all(_is_number(row[name]) for row in cells)
        wrapped = width is not None and name == names[-1]
        table.add_column(name, justify="right" if number else "left", no_wrap=not wrapped, overflow="fold")
    for row in cells:
        table.add_row(*(Text(row[name]) for name in names))
    natural = sum(_width(cells, name) + _GAP for name in names)
    console = Console(width=natural if width is None else max(width, _needed(cells, names, last_needs)))
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _is_number(text: str) -> bool:
    return text == "-" or text.strip("0123456789.,%") == ""
