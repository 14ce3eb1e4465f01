"""Byte offsets of UTF-8 as code points, lines and columns."""

from bisect import bisect_right
from itertools import accumulate


class Positions:
    """Built in one pass over a source; a question costs a binary search."""

    def __init__(self, source: str) -> None:
        self._ascii = source.isascii()
        self._ends = [] if self._ascii else list(accumulate(len(character.encode()) for character in source))
        starts = accumulate(len(line) for line in source.split("\n"))
        self._line_starts = [0, *(start + number for number, start in enumerate(starts, 1))]

    def point(self, byte: int) -> int:
        """The code point at a byte, from 0."""
        return byte if self._ascii else bisect_right(self._ends, byte)

    def line(self, point: int) -> int:
        """The line of a code point, from 1."""
        return bisect_right(self._line_starts, point, hi=len(self._line_starts) - 1)

    def place(self, byte: int) -> dict[str, int]:
        """line and column from 1, offset from 0."""
        offset = self.point(byte)
        line = self.line(offset)
        return {"line": line, "column": offset - self._line_starts[line - 1] + 1, "offset": offset}
