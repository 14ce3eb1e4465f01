"""Generate two lists from the docstrings: the rooms in ARCHITECTURE.md, and the files of each room in docs/map.md.

A room is a folder of code; the rooms and their order are those of the layered import contract in pyproject.toml.
`python docs/map.py` writes both lists; with `--check` it writes nothing, and exits with 1 if one is out of date.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_ARCHITECTURE, _FILES = _ROOT / "ARCHITECTURE.md", _ROOT / "docs" / "map.md"
_TABLE = "| room | what runs there, and what may not be done there |\n| --- | --- |\n"
_HEAD = """# The map, file by file

Generated from the docstrings by `make docs`. The rooms stand from the top down, as in [the
architecture](../ARCHITECTURE.md): each knows only those below it.
"""


def rooms() -> list[Path]:
    """Return the folders that the layered contract orders, from the top down."""
    configured = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    contracts = configured["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    modules = [module for layer in layers for module in layer.split(" | ")]
    folders = [_ROOT / module.removeprefix("wasmfleet.").replace(".", "/") for module in modules]
    return [folder for folder in folders if folder.is_dir()]


def _described(path: Path) -> str:
    """Return the docstring of a Python file, or the comment lines of a Lua script."""
    text = path.read_text()
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    return "\n".join(line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--"))


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _files(room: Path) -> Iterator[str]:
    found = [path for suffix in ("py", "lua") for path in room.rglob(f"*.{suffix}")]
    for path in sorted(found):
        if path.name != "__init__.py":
            yield f"| `{path.relative_to(room).as_posix()}` | {_first_sentence(_described(path))} |"


def table() -> str:
    """Return the table of rooms: one line for each, with the docstring of its `__init__.py`."""
    lines = (
        f"| `{room.relative_to(_ROOT).as_posix()}/` | {' '.join(_described(room / '__init__.py').split())} |\n"
        for room in rooms()
    )
    return _TABLE + "".join(lines)


def page() -> str:
    """Return the text of docs/map.md: a section for each room, with a line for each of its files."""
    sections = (
        f"\n## {room.relative_to(_ROOT).as_posix()}/\n\n| file | what it is for |\n| --- | --- |\n"
        + "".join(f"{line}\n" for line in _files(room))
        for room in rooms()
    )
    return _HEAD + "".join(sections)


def _with_table(text: str) -> str:
    before, head, after = text.partition(_TABLE)
    if not head:
        raise SystemExit(f"{_ARCHITECTURE.name} has no table of rooms")
    _, blank, rest = after.partition("\n\n")
    return before + table() + "\n" + (rest if blank else "")


def main() -> None:
    wanted = {_ARCHITECTURE: _with_table(_ARCHITECTURE.read_text()), _FILES: page()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        raise SystemExit(
            f"out of date: {', '.join(path.name for path in stale)}; run `make docs`" if stale else 0
        )
    for path in stale:
        path.write_text(wanted[path])


if __name__ == "__main__":
    main()
