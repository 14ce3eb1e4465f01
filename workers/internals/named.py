"""The form in which a file of this room lists what it leans on."""

from typing import NamedTuple


class Internal(NamedTuple):
    """One name of another project that breaks Wasmfleet when it is gone, or when it takes other arguments.

    `tests/test_internals.py` looks each one up in the installed version and compares the signatures.
    """

    name: str
    """The module, and the name in it: `kombu.transport.redis:Channel._brpop_start`."""
    signature: str
    """As `inspect.signature` prints it: `(self, timeout=None)`. Empty for what is no
    function, or is not called with arguments."""
    why: str
    """What Wasmfleet does with it."""


def within(place: str, *rows: tuple[str, str, str]) -> tuple[Internal, ...]:
    """List several names of one module (`kombu.compression:`) or one class (`kombu.message:Message.`)."""
    return tuple(Internal(place + name, signature, why) for name, signature, why in rows)
