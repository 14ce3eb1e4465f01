"""An operation as plain data, which the task that publishes a call and the process that runs it share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from wasmfleet.config.settings import MIB, settings
from wasmfleet.workers.contracts.contract import Arguments, Contract
from wasmfleet.workers.errors import InputTooLarge

Parity = Literal["exact", "equivalent", "reduced"]
PREFIX: Final = "wasmfleet."


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of the catalogue, or of a user's module.

    `name` is its wire name. In a sandbox, `function` of the WebAssembly module `module` serves it; in plain Python,
    `twin` does. The operations of a user's module have no twin and no parity. The twin of an alias only maps its
    arguments to those of `alias_of`, which does the work.
    """

    name: str
    contract: Contract
    module: str
    function: str
    twin: Callable[..., Any] | None = None
    parity: Parity | None = None
    alias_of: Self | None = None

    @property
    def target(self) -> "Operation":
        """The operation that does the work."""
        return self if self.alias_of is None else self.alias_of.target

    def resolve(self, arguments: Arguments) -> "tuple[Operation, Arguments]":
        """Give the operation that does the work, and these arguments as that one takes them.

        Raises InvalidArguments.
        """
        if self.alias_of is None or self.twin is None:
            return self, arguments
        return self.alias_of.resolve(self.alias_of.contract.check((), self.twin(**arguments)))


def full_name(name: str) -> str:
    """Return the wire name of an operation that is named with or without `wasmfleet.` before it."""
    return name if name.startswith(PREFIX) else PREFIX + name


def check_size(name: str, size_bytes: int) -> None:
    """Refuse encoded arguments of this size where WASMFLEET_MAX_INPUT does not allow it. Raises InputTooLarge."""
    limit = settings().max_input * MIB
    if size_bytes > limit:
        raise InputTooLarge(
            f"{name}: the arguments are {size_bytes:,} bytes; WASMFLEET_MAX_INPUT allows {settings().max_input} MiB"
        )
