"""Read what a built module contains: its imports, exports and declared operations."""

from collections.abc import Iterator
from pathlib import Path

CUSTOM, IMPORT, EXPORT = 0, 2, 7
EXPORTS = {"memory", "reserve", "call"}
SECTION = "wasmfleet.operations"


class BadModule(Exception):
    """A module that no host may load; the message says why."""


def operations(module: Path) -> list[str]:
    """Return the names of a module's operations.

    Raises BadModule if it imports anything, lacks an export that the host calls, or declares no operations.
    """
    found = list(sections(module.read_bytes()))
    for kind, body in found:
        if kind == IMPORT and number(body, 0)[0]:
            raise BadModule(f"{module.name} has imports: {', '.join(import_names(body))}")
    exports = {name for kind, body in found if kind == EXPORT for name in export_names(body)}
    if lacking := EXPORTS - exports:
        raise BadModule(f"{module.name} does not export {', '.join(sorted(lacking))}")
    return [line.split(" ")[0] for line in declared(module.name, found)]


def declared(name: str, found: list[tuple[int, bytes]]) -> list[str]:
    texts = [body for kind, body in found if kind == CUSTOM and text(body, 0)[0] == SECTION]
    if len(texts) != 1:
        raise BadModule(f"{name} has no custom section {SECTION}")
    lines = texts[0][text(texts[0], 0)[1] :].decode().splitlines()
    if not lines or lines[0] != "abi 1" or len(lines) == 1:
        raise BadModule(f"{name}: {SECTION} does not start with 'abi 1' and name operations")
    return lines[1:]


def sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    if data[:8] != b"\0asm\1\0\0\0":
        raise BadModule("not a WebAssembly module")
    at = 8
    while at < len(data):
        kind = data[at]
        size, start = number(data, at + 1)
        at = start + size
        yield kind, data[start:at]


def import_names(body: bytes) -> Iterator[str]:
    """Yield the name of the first import only: one is enough to refuse the module.

    Where the next one begins depends on the kind of the first.
    """
    module, at = text(body, number(body, 0)[1])
    yield f"{module}.{text(body, at)[0]}"


def export_names(body: bytes) -> Iterator[str]:
    count, at = number(body, 0)
    for _ in range(count):
        name, at = text(body, at)
        _, at = number(body, at + 1)
        yield name


def text(body: bytes, at: int) -> tuple[str, int]:
    size, start = number(body, at)
    return body[start : start + size].decode(), start + size


def number(body: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
