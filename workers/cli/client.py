"""The command `wasmfleet` of a client's install: what can be told without the packages of a fleet."""

from collections.abc import Mapping, Sequence
from typing import Final

from wasmfleet.config.settings import settings
from wasmfleet.workers import extras
from wasmfleet.workers.cli import catalogue, descriptions, lines
from wasmfleet.workers.cli.version import version
from wasmfleet.workers.errors import RuntimeUnavailable

_USAGE: Final = (
    "wasmfleet --version    print the version",
    "wasmfleet ops          list the operations",
    "wasmfleet ops NAME     tell all of one operation, or list those of a family",
)


def run(words: Sequence[str]) -> None:
    """Run the command of these words. Raises RuntimeUnavailable for one that needs a fleet's packages."""
    match words:
        case ["--version"]:
            lines.say(f"wasmfleet {version()}")
        case ["ops"]:
            _list(catalogue.told(settings()))
        case ["ops", name] if not name.startswith("-"):
            _tell(name)
        case [] | ["-h" | "--help"] | ["ops", "-h" | "--help"]:
            lines.say(*_USAGE, "", f"The other commands belong to a fleet: {extras.remedy('fleet')}.")
        case _:
            raise RuntimeUnavailable(
                f"a client's install has no command {words[0][:80]!r}, only `ops`; a fleet's has more: "
                + extras.remedy("fleet")
            )


def _tell(name: str) -> None:
    """Tell all of the operation of this name, or list the family of this name."""
    known = catalogue.told(settings())
    if name in catalogue.families(known):
        _list(catalogue.matching(known, name))
    else:
        lines.say(*descriptions.of(catalogue.named(known, name)))


def _list(tasks: Mapping[str, descriptions.Task]) -> None:
    for task in tasks.values():
        lines.say(descriptions.spelled(task), f"    {descriptions.first_line(task)}")
