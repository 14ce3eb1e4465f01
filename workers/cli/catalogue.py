"""The operations that commands can name: those of the catalogue and those of the user's own modules."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from wasmfleet.config.settings import Settings
from wasmfleet.workers.cli import lines
from wasmfleet.workers.errors import UnknownOperation

if TYPE_CHECKING:
    from wasmfleet.workers.calls.task import OperationTask


def operations(settings: Settings) -> "tuple[dict[str, OperationTask[..., Any]], dict[str, str]]":
    """Return the task of each operation by its name without `wasmfleet.`, and by file name why modules are refused."""
    from wasmfleet.workers.app import app, load_families
    from wasmfleet.workers.calls import own_modules
    from wasmfleet.workers.calls.task import OperationTask
    from wasmfleet.workers.contracts.operation import PREFIX

    load_families()
    refused = own_modules.register(settings)
    found = {
        task.name.removeprefix(PREFIX): task for task in app.tasks.values() if isinstance(task, OperationTask)
    }
    return dict(sorted(found.items())), refused


def told(settings: Settings) -> "dict[str, OperationTask[..., Any]]":
    """Give the task of every operation by its name, and say on standard error which of the user's files are none."""
    known, refused = operations(settings)
    for module, reason in refused.items():
        lines.say(f"{module} is refused: {reason}", err=True)
    return known


def named(known: "dict[str, OperationTask[..., Any]]", name: str) -> "OperationTask[..., Any]":
    """Return the task of this name. Raises UnknownOperation, which suggests names that are similar."""
    short = name.removeprefix("wasmfleet.")
    if short in known:
        return known[short]
    close = get_close_matches(short, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`wasmfleet ops` lists them"
    raise UnknownOperation(f"there is no operation {name[:80]!r}; {hint}")


def families(known: "dict[str, OperationTask[..., Any]]") -> list[str]:
    """Return the names of the families of these operations: what stands before the dot."""
    return sorted({name.partition(".")[0] for name in known})


def matching(known: "dict[str, OperationTask[..., Any]]", name: str) -> "dict[str, OperationTask[..., Any]]":
    """Return the operation of this name, or all of the family of this name. Raises UnknownOperation, as `named`."""
    family = name.removeprefix("wasmfleet.")
    if family in families(known):
        return {one: task for one, task in known.items() if one.partition(".")[0] == family}
    return {family: named(known, name)}
