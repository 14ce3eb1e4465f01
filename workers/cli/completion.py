"""What a shell completes: names of operations, of families, and ids of what is set aside.

A shell asks while somebody types, so whatever cannot be read completes to nothing and says nothing.
"""

import contextlib
from collections.abc import Iterator

from wasmfleet.config.settings import settings


def operations(incomplete: str) -> list[tuple[str, str]]:
    """Give the operations whose names begin with this, each with the first line of its description."""
    return [told for told in _operations() if told[0].startswith(incomplete)]


def operations_and_families(incomplete: str) -> list[tuple[str, str]]:
    """Give the operations and the families whose names begin with this."""
    names = sorted({name.partition(".")[0] for name, _ in _operations()})
    listed = [(name, "a family of operations") for name in names if name.startswith(incomplete)]
    return listed + operations(incomplete)


def set_aside(incomplete: str) -> list[tuple[str, str]]:
    """Give the ids in the quarantine that begin with this, each with the name of its operation."""
    from wasmfleet.workers.fleet_state import quarantine

    with contextlib.suppress(Exception):
        return [(one.id, one.operation) for one in quarantine.entries() if one.id.startswith(incomplete)]
    return []


def _operations() -> Iterator[tuple[str, str]]:
    from wasmfleet.workers.cli import catalogue, descriptions

    with contextlib.suppress(Exception):
        known, _ = catalogue.operations(settings())
        yield from ((name, descriptions.first_line(task)) for name, task in known.items())
