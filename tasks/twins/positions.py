"""Turn byte offsets of UTF-8 into code points, lines and columns."""

from bisect import bisect_right
from itertools import accumulate


class Positions:
    """The places in one source: made in one pass over it, asked by binary search."""

    def __init__(self, source: str) -> None:
        self._ascii = source.isascii()
        self._ends = [] if self._ascii else list(accumulate(len(character.encode()) for character in source))
        starts = accumulate(len(line) for line in source.split("\n"))
        self._line_starts = [0, *(start + number for number, start in enumerate(starts, 1))]

    def point(self, byte: int) -> int:
        """Give the code point at a byte; both count from 0."""
        return byte if self._ascii else bisect_right(self._ends, byte)

    def line(self, point: int) -> int:
        """Give the line, from 1, of a code point."""
        return bisect_right(self._line_starts, point, hi=len(self._line_starts) - 1)

    def place(self, byte: int) -> dict[str, int]:
        """Give line and column, from 1, and offset, from 0, of a byte."""
        offset = self.point(byte)
        line = self.line(offset)
        return {"line": line, "column": offset - self._line_starts[line - 1] + 1, "offset": offset}
