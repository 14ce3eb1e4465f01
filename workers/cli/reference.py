"""The reference of all operations in Markdown, made from their docstrings: `wasmfleet ops --format markdown`."""

import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.cli import signatures
from wasmfleet.workers.contracts.operation import PREFIX, Operation

_HEAD = """# Operations

Generated from the docstrings by `make docs`. Wire names begin with `wasmfleet.`. Arguments after `*` are given by
name. Bounds stand in brackets after a type; a value beyond them is InvalidArguments, in either lane. Parity says how
results of the plain-Python lane compare: *exact* means equal results, *equivalent* other bytes with the same meaning,
*reduced* that it checks less and says what it left out, in `unchecked` or by the error NotSupportedInLane.
"""


def markdown(tasks: Iterable[OperationTask[..., Any]]) -> str:
    """Write the whole page."""
    families = groupby(sorted(tasks, key=lambda one: one.name), key=lambda one: one.operation.module)
    sections = [f"## {family}\n\n" + "\n".join(map(_section, members)) for family, members in families]
    return _HEAD + "\n" + "\n".join(sections)


def _section(task: OperationTask[..., Any]) -> str:
    name = task.name.removeprefix(PREFIX)
    title = f"### {name}\n\n`{name}{signatures.spelled(task.operation)}`\n"
    return "\n".join([title, *_facts(task.operation), inspect.getdoc(task) or "", ""])


def _facts(operation: Operation) -> Iterator[str]:
    if operation.alias_of is not None:
        yield f"Alias of `{operation.alias_of.name.removeprefix(PREFIX)}`. Parity: {operation.parity}.\n"
    else:
        yield f"Parity: {operation.parity}.\n"
