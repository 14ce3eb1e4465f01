"""How a file of this room states what it leans on."""

from typing import NamedTuple


class Internal(NamedTuple):
    """One name of another project that breaks Wasmfleet when it goes, or comes to mean something else.

    `tests/test_internals.py` resolves each of them in the version that is installed, and compares the signatures.
    """

    name: str
    """Module and name in it, as in `kombu.transport.redis:Channel._brpop_start`."""
    signature: str
    """As `inspect.signature` shows it, `(self, timeout=None)`; empty where the name is no function."""
    why: str
    """What Wasmfleet does with it."""
