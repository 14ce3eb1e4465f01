"""Reader of the sections of a WebAssembly file, strict enough for bytes of any origin: it raises BadBinary or nothing.

It needs no Wasmtime. The format: https://webassembly.github.io/spec/core/binary/.
"""

from typing import Final

CUSTOM: Final = 0
TYPES: Final = 1
IMPORTS: Final = 2
FUNCTIONS: Final = 3
MEMORIES: Final = 5
EXPORTS: Final = 7
START: Final = 8
#: The place of each kind of section in the order that the format demands (13 holds tags, 12 the number of data).
_ORDER: Final = {kind: place for place, kind in enumerate((1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11))}
_MAGIC: Final = b"\0asm\x01\0\0\0"
_MOST_SECTIONS: Final = 1000
_TRUNCATED: Final = "the file is truncated"


class BadBinary(Exception):
    """The bytes are no WebAssembly module; the message says why."""


class Reader:
    """A stretch of a file, read from its start to its end and never beyond."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._at = start
        self._end = end

    @property
    def at(self) -> int:
        """The place in the file of the next byte."""
        return self._at

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return self._end - self._at

    def byte(self) -> int:
        """Read one byte."""
        if self._at >= self._end:
            raise BadBinary(_TRUNCATED)
        self._at += 1
        return self._data[self._at - 1]

    def number(self, bits: int = 32) -> int:
        """Read an unsigned LEB128 number of at most so many bits.

        Linkers pad numbers with zeros; that is accepted up to the number of bytes that the bits need.
        """
        value = 0
        for shift in range(0, bits, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise BadBinary(f"a number takes more than {-(-bits // 7)} bytes")
        if value >> bits:
            raise BadBinary(f"a number is larger than {bits} bits allow")
        return value

    def count(self, most: int) -> int:
        """Read how many entries follow: at most so many, and no more than bytes are left (each takes one)."""
        count = self.number()
        if count > most:
            raise BadBinary(f"it has {count:,} entries where {most:,} are allowed")
        if count > self.left:
            raise BadBinary(_TRUNCATED)
        return count

    def take(self, size: int) -> "Reader":
        """Read so many bytes, as a stretch of their own."""
        if size > self.left:
            raise BadBinary(_TRUNCATED)
        self._at += size
        return Reader(self._data, self._at - size, self._at)

    def rest(self) -> bytes:
        """Read all bytes that are left."""
        start, self._at = self._at, self._end
        return self._data[start : self._end]

    def text(self) -> str:
        """Read a length and so many bytes of UTF-8."""
        try:
            return self.take(self.number()).rest().decode()
        except UnicodeDecodeError:
            raise BadBinary("a name is not UTF-8") from None

    def finish(self) -> None:
        """Raise BadBinary where bytes are left."""
        if self.left:
            raise BadBinary(f"a section has {self.left} bytes too many")


class Sections:
    """The sections of a file: those of the format by kind, custom ones by name. Raises BadBinary when made."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(_MAGIC):
            raise BadBinary("not a WebAssembly module")
        self._known: dict[int, Reader] = {}
        self._custom: dict[str, list[Reader]] = {}
        file, last, count = Reader(data, len(_MAGIC), len(data)), -1, 0
        while file.left:
            count += 1
            if count > _MOST_SECTIONS:
                raise BadBinary(f"it has more than {_MOST_SECTIONS:,} sections")
            kind = file.byte()
            body = file.take(file.number())
            if kind == CUSTOM:
                self._custom.setdefault(body.text(), []).append(body)
                continue
            place = _ORDER.get(kind, -1)
            if place <= last:
                raise BadBinary(f"section {kind} is unknown, out of order, or there twice")
            self._known[kind], last = body, place

    def __contains__(self, kind: int) -> bool:
        return kind in self._known

    def known(self, kind: int) -> Reader:
        """Return a section of the format; for one that the file does not have, a section without entries."""
        return self._known.get(kind) or Reader(b"\0", 0, 1)

    def custom(self, name: str) -> list[Reader]:
        """Return the contents of all custom sections of this name."""
        return self._custom.get(name, [])
