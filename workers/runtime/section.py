"""The list of operations in a module's file, read from its bytes before anything of it runs.

It is the custom section `wasmfleet.operations`, a text. Its first line is `abi 1`; each further line is an operation,
in the order of their indexes: `name msgpack` (built in, its signature is that of the function in `tasks/`), `name`
(takes bytes and gives bytes), or a signature such as `greet(name: str, times: int = 1) -> str`.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.runtime.binary import Sections

ABI: Final = 1
NAME: Final = "wasmfleet.operations"
MOST_OPERATIONS: Final = 256
_MOST_BYTES: Final = 64 << 10
_LONGEST_NAME: Final = 64
_LONGEST_LINE: Final = 1000
_LINE: Final = re.compile(r"([a-z][a-z0-9_]*)(?: (msgpack|bytes)|(\(.*))?", re.ASCII)

Codec = Literal["msgpack", "bytes"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One operation of a module, with its place in the list as its index."""

    index: int
    name: str
    codec: Codec
    signature: str = ""


def declared(sections: Sections) -> tuple[Declared, ...]:
    """Return the operations that a file declares. Raises VersionMismatch, with the reason, for a list that is wrong."""
    found = sections.custom(NAME)
    if len(found) != 1:
        raise VersionMismatch(f"has {'no' if not found else 'more than one'} custom section {NAME!r}")
    if found[0].left > _MOST_BYTES:
        raise VersionMismatch(f"section {NAME!r} is longer than {_MOST_BYTES:,} bytes")
    return _parsed(found[0].rest())


def _parsed(text: bytes) -> tuple[Declared, ...]:
    first, *lines = text.decode(errors="replace").strip().split("\n")
    if first.split() != ["abi", str(ABI)]:
        raise VersionMismatch(f"section {NAME!r} begins with {first[:40]!r}; this version needs 'abi {ABI}'")
    if len(lines) > MOST_OPERATIONS:
        raise VersionMismatch(f"section {NAME!r} names more than {MOST_OPERATIONS} operations")
    operations = tuple(_operation(index, line.strip()) for index, line in enumerate(lines))
    names = [operation.name for operation in operations]
    if not names or len(set(names)) < len(names):
        raise VersionMismatch(f"section {NAME!r} must name at least one operation, each once")
    return operations


def _operation(index: int, line: str) -> Declared:
    found = _LINE.fullmatch(line) if len(line) <= _LONGEST_LINE else None
    if not found or len(found[1]) > _LONGEST_NAME:
        raise VersionMismatch(
            f"section {NAME!r} has the line {line[:80]!r}; give a name of at most {_LONGEST_NAME} characters, or "
            f"name(argument: type) -> type, {_LONGEST_LINE:,} characters at most"
        )
    if found[3]:
        return Declared(index, found[1], "msgpack", found[3])
    return Declared(index, found[1], "msgpack" if found[2] == "msgpack" else "bytes")
