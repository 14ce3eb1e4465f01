"""The form in which each file of this room lists the names of other projects that it depends on."""

from typing import NamedTuple


class Internal(NamedTuple):
    """One name of another project; if it disappears or takes other arguments, Wasmfleet breaks.

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
