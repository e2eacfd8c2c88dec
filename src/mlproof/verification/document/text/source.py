"""A text, and where in it things stand: lines and columns from 1, in characters."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Position(NamedTuple):
    """Where a character stands."""

    line: int
    column: int
    cell: int | None  # of a notebook, counted from 0; lines are counted within it


@dataclass(frozen=True)
class Source:
    """A document, or one cell of a notebook."""

    text: str
    cell: int | None = None

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1, self.cell)

    def line(self, number: int) -> str:
        """A whole line, without its end."""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]

    @cached_property
    def _starts(self) -> list[int]:
        """Where each line begins."""
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
