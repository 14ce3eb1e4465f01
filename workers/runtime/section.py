"""What a module says of itself, read from its bytes before anything is instantiated.

The custom section `wasmfleet.operations` is text: `abi 1`, then an operation a line in index order,
each one of `name msgpack` (built in, typed by `tasks/`), `name` (bytes in, bytes out) or a signature
such as `greet(name: str, times: int = 1) -> str`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from wasmfleet.workers.errors import VersionMismatch

ABI: Final = 1
NAME: Final = "wasmfleet.operations"
_MAGIC: Final = b"\0asm\x01\0\0\0"
_LINE: Final = re.compile(r"^([a-z][a-z0-9_]*)(?: (msgpack|bytes))?$|^([a-z][a-z0-9_]*)(\(.*)$")

Codec = Literal["msgpack", "bytes"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One operation of a module: its index is its place in the list."""

    index: int
    name: str
    codec: Codec
    signature: str = ""


def declared(binary: bytes) -> tuple[Declared, ...]:
    """The operations a module declares. Raises VersionMismatch with the reason when it is no module of ours."""
    if not binary.startswith(_MAGIC):
        raise VersionMismatch("not a WebAssembly module")
    for section in _custom_sections(binary):
        name, text = section
        if name == NAME.encode():
            return _parsed(text)
    raise VersionMismatch(f"has no custom section {NAME!r}")


def _parsed(text: bytes) -> tuple[Declared, ...]:
    first, *lines = text.decode(errors="replace").strip().splitlines() or [""]
    if first.split() != ["abi", str(ABI)]:
        raise VersionMismatch(f"section {NAME!r} begins with {first[:40]!r}; this version needs 'abi {ABI}'")
    operations = tuple(_operation(index, line.strip()) for index, line in enumerate(lines))
    names = [operation.name for operation in operations]
    if not names or len(set(names)) < len(names):
        raise VersionMismatch(f"section {NAME!r} must name at least one operation, each once")
    return operations


def _operation(index: int, line: str) -> Declared:
    found = _LINE.match(line)
    if not found:
        raise VersionMismatch(
            f"section {NAME!r} has the line {line[:80]!r}; give a name or name(argument: type) -> type"
        )
    if found[3]:
        return Declared(index, found[3], "msgpack", found[4])
    return Declared(index, found[1], "msgpack" if found[2] == "msgpack" else "bytes")


def _custom_sections(binary: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_MAGIC)
    while at < len(binary):
        kind = binary[at]
        size, start = _leb128(binary, at + 1)
        at = start + size
        if at > len(binary):
            raise VersionMismatch("the file is truncated")
        if kind == 0:
            length, begin = _leb128(binary, start)
            yield binary[begin : begin + length], binary[begin + length : at]


def _leb128(binary: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(binary) and shift < 35:
        byte = binary[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise VersionMismatch("the file is truncated")
