"""The operations reference in Markdown, from the docstrings: `wasmfleet ops --format markdown`."""

import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby

from wasmfleet.workers.cli import catalogue
from wasmfleet.workers.operation import PREFIX, Operation

_HEAD = """# Operations

Generated from the docstrings by `make docs`. Wire names begin with `wasmfleet.`; what stands behind `*` is given by
name. Parity says how the plain-Python lane compares: *exact* gives equal results, *equivalent* other bytes of the same
meaning, *reduced* checks less and says what it left out.
"""


def markdown(operations: "Iterable[Operation[..., object]]") -> str:
    """The whole page."""
    families = groupby(sorted(operations, key=lambda one: one.name), key=lambda one: one.module)
    sections = [f"## {family}\n\n" + "\n".join(map(_section, members)) for family, members in families]
    return _HEAD + "\n" + "\n".join(sections)


def _section(operation: "Operation[..., object]") -> str:
    name = operation.name.removeprefix(PREFIX)
    title = f"### {name}\n\n`{name}{catalogue.signature(operation)}`\n"
    return "\n".join([title, *_facts(operation), inspect.getdoc(operation) or "", ""])


def _facts(operation: "Operation[..., object]") -> Iterator[str]:
    if operation.alias_of is not None:
        yield f"Alias of `{operation.alias_of.name.removeprefix(PREFIX)}`. Parity: {operation.parity}.\n"
    else:
        yield f"Parity: {operation.parity}.\n"
