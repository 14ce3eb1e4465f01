"""What a module imports and exports, and the one rule for it.

The host enters `reserve` and `call` without Wasmtime's own check of types, so a wrong type here would let a guest read
and write the host's memory. The rule is applied to what the file's bytes say, before it is compiled, and to what
Wasmtime says of the compiled module, each time it is loaded: one description, two sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wasmfleet.workers.runtime.binary import (
    EXPORTS,
    FUNCTIONS,
    IMPORTS,
    MEMORIES,
    START,
    TYPES,
    BadBinary,
    Reader,
    Sections,
)

PAGE_BYTES: Final = 65_536
_MOST_TYPES: Final = 100_000
_MOST_FUNCTIONS: Final = 1_000_000
_MOST_EXPORTS: Final = 10_000
_MOST_VALUES: Final = 1000  # parameters, or results, of one function; Wasmtime's own limit
_NUMBERS: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
_FUNCTION_TYPE: Final = 0x60
_KINDS: Final = ("function", "table", "memory", "global", "tag")
_HAS_MAXIMUM, _SHARED, _64_BITS, _OWN_PAGE_SIZE = 1, 2, 4, 8


class Unfit(Exception):
    """The host cannot enter the module safely; the message says what is wrong with its interface."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function's type: the names of its parameters' and results' types."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.parameters)}) -> ({', '.join(self.results)})"


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory's type; its minimum in bytes."""

    minimum_bytes: int
    is_64: bool = False
    is_shared: bool = False
    page_bytes: int = PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else: a table, a global, a tag."""

    kind: str


@dataclass(frozen=True, slots=True)
class Interface:
    """What a module imports and exports, by name, and whether something runs when it is instantiated."""

    imports: tuple[str, ...]
    exports: Mapping[str, Function | Memory | Other]
    has_start: bool = False

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that an instance has from its start."""
        memory = self.exports["memory"]
        return memory.minimum_bytes if isinstance(memory, Memory) else 0


_FUNCTIONS: Final = {
    "reserve": Function(("i32",), ("i32",)),
    "call": Function(("i32", "i32"), ("i64",)),
}
#: The exports that the host uses; it looks at no other.
ENTERED: Final = ("memory", *_FUNCTIONS)


def check(interface: Interface) -> None:
    """Raise Unfit unless the host can enter this module safely. Exports beside those it enters are allowed."""
    if interface.imports:
        raise Unfit(f"imports {interface.imports[0]}; a module must import nothing")
    if interface.has_start:
        raise Unfit("has a start function; nothing of a module runs before it is called")
    missing = set(ENTERED) - interface.exports.keys()
    if missing:
        raise Unfit(f"does not export {', '.join(sorted(missing))}")
    _check_memory(interface.exports["memory"])
    for name, wanted in _FUNCTIONS.items():
        found = interface.exports[name]
        if found != wanted:
            given = found if isinstance(found, Function) else f"a {_kind(found)}"
            raise Unfit(f"its export `{name}` is {given}; it must be {wanted}")


def _check_memory(memory: Function | Memory | Other) -> None:
    if not isinstance(memory, Memory):
        raise Unfit(f"its export `memory` is a {_kind(memory)}; it must be a memory")
    if memory.is_64 or memory.is_shared or memory.page_bytes != PAGE_BYTES:
        raise Unfit("its memory must have 32-bit addresses, not be shared, and have pages of 64 KiB")


def _kind(export: Function | Memory | Other) -> str:
    return export.kind if isinstance(export, Other) else type(export).__name__.lower()


def of_binary(sections: Sections) -> Interface:
    """Return the interface that a file's bytes state.

    Raises BadBinary, and Unfit for a function that takes or gives references.
    """
    imports = sections.known(IMPORTS)
    if imports.count(_MOST_FUNCTIONS):
        return Interface((f"{imports.text()}.{imports.text()}",), {})
    return Interface((), _exports(sections), START in sections)


def _exports(sections: Sections) -> dict[str, Function | Memory | Other]:
    functions, memories = _functions(sections), _memories(sections.known(MEMORIES))
    reader = sections.known(EXPORTS)
    found: dict[str, Function | Memory | Other] = {}
    for _ in range(reader.count(_MOST_EXPORTS)):
        name, kind, index = reader.text(), reader.byte(), reader.number()
        if name in found:
            raise BadBinary("it exports a name twice")
        found[name] = _export(kind, index, functions, memories)
    reader.finish()
    return found


def _export(
    kind: int, index: int, functions: list[Function], memories: list[Memory]
) -> Function | Memory | Other:
    if kind >= len(_KINDS):
        raise BadBinary(f"it exports something of the unknown kind {kind}")
    entities: list[Function] | list[Memory] | None = {0: functions, 2: memories}.get(kind)  # type: ignore[assignment]
    if entities is None:
        return Other(_KINDS[kind])
    if index >= len(entities):
        raise BadBinary(f"it exports the {_KINDS[kind]} {index}, which is not there")
    return entities[index]


def _functions(sections: Sections) -> list[Function]:
    types, reader = _types(sections.known(TYPES)), sections.known(FUNCTIONS)
    try:
        functions = [types[reader.number()] for _ in range(reader.count(_MOST_FUNCTIONS))]
    except IndexError:
        raise BadBinary("a function has a type that is not there") from None
    reader.finish()
    return functions


def _types(reader: Reader) -> list[Function]:
    types = []
    for _ in range(reader.count(_MOST_TYPES)):
        if reader.byte() != _FUNCTION_TYPE:
            raise Unfit("declares a type that is no function's")
        types.append(Function(_values(reader), _values(reader)))
    reader.finish()
    return types


def _values(reader: Reader) -> tuple[str, ...]:
    try:
        return tuple(_NUMBERS[reader.byte()] for _ in range(reader.count(_MOST_VALUES)))
    except KeyError:
        raise Unfit(
            "has a function that takes or gives a reference; numbers and vectors are allowed"
        ) from None


def _memories(reader: Reader) -> list[Memory]:
    memories = [_memory(reader) for _ in range(reader.count(1))]
    reader.finish()
    return memories


def _memory(reader: Reader) -> Memory:
    flags = reader.byte()
    if flags > 15:
        raise BadBinary(f"a memory has the unknown flags {flags}")
    bits = 64 if flags & _64_BITS else 32
    minimum = reader.number(bits)
    if flags & _HAS_MAXIMUM:
        reader.number(bits)
    page_bytes = 1 << min(reader.number(), 64) if flags & _OWN_PAGE_SIZE else PAGE_BYTES
    return Memory(minimum * page_bytes, bool(flags & _64_BITS), bool(flags & _SHARED), page_bytes)
