"""The extras of this package, and what to say where the packages of one are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, Literal

from wasmfleet.workers.errors import RuntimeUnavailable

Extra = Literal["fleet", "sealing"]
#: Of the packages that `fleet` brings, those without which there is no command line and no worker. Others may be
#: missing: without wasmtime, for one, calls are served by plain Python.
_INDISPENSABLE: Final = ("typer", "sqlite_utils")


def has_fleet() -> bool:
    """Tell whether a fleet's processes and commands can run from this installation."""
    return all(find_spec(name) for name in _INDISPENSABLE)


def remedy(extra: Extra) -> str:
    """Tell in a few words how to install the packages of an extra."""
    return f"`pip install '.[{extra}]'` in a checkout of wasmfleet installs it"


@contextmanager
def needed(extra: Extra, what: str) -> Iterator[None]:
    """Import packages of an extra in this block; where one is missing, raise RuntimeUnavailable that says how to
    install it.

    `what` is the subject of that sentence: what cannot be done without.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("wasmfleet"):
            raise
        raise RuntimeUnavailable(
            f"{what} needs {missing.name}, which is not installed; {remedy(extra)}"
        ) from None
