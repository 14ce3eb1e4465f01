"""Read from CONTRIBUTING.md how operations were added: the commands, their output and the files written."""

import re
from dataclasses import dataclass
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
_SECTION = re.compile(
    r"^### In a (?:new )?family[^\n]*`(\w+)\.(\w+)`\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL
)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A block of code belongs to the last path that the text names before it.
_FILE = re.compile(
    r"`([\w/]+\.\w+)`(?:(?!`[\w/]+\.\w+`|```).)*?\n\n```(?:python|rust|json)\n(.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Step:
    """A command, and those lines of its output that the record shows."""

    command: str
    printed: list[str]


@dataclass(frozen=True)
class Record:
    """How one operation was added; `written` has the text to write into each file, by its path."""

    family: str
    name: str
    steps: list[Step]
    written: dict[str, str]


def records() -> list[Record]:
    """Return the record of each operation that the page adds."""
    return [
        Record(family, name, _steps(text), dict(_FILE.findall(text)))
        for family, name, text in _SECTION.findall(_PAGE.read_text())
    ]


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    for line in "".join(_BLOCK.findall(text)).splitlines():
        if line.startswith("$ "):
            steps.append(Step(line.removeprefix("$ "), []))
        elif line:
            steps[-1].printed.append(line)
    return steps
