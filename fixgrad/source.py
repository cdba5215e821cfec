"""The values every stage shares: a file's text, a place in it, and what is wrong with it.

A notebook is read as one text: the code of its cells, each after a line that belongs to no cell.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

_NEWLINE = re.compile(r"\r\n|\r|\n")
_OTHER_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # of lines, to str.splitlines
# Of a JSON string: what is one character of what it says.
UNIT = r"(?s)\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\u\w{4}|\\.|[^\\]"


class CellLine(int):
    """A line of a notebook's text, which prints as who reads the notebook counts: "2 of cell 3"."""

    cell: int  # among all cells, from 1
    row: int  # in the cell, from 1

    def __new__(cls, line: int, cell: int, row: int) -> CellLine:
        """Make the line of the text that is this row of this cell."""
        made = super().__new__(cls, line)
        made.cell, made.row = cell, row
        return made

    def __reduce__(self) -> tuple[type[CellLine], tuple[int, int, int]]:  # to another process
        return CellLine, (int(self), self.cell, self.row)

    def __str__(self) -> str:
        return f"{self.row} of cell {self.cell}"


def _in_file(line: int) -> str:
    return f"cell {line.cell}:{line.row}" if isinstance(line, CellLine) else str(line)


class Span(NamedTuple):
    """A half-open stretch of one file; columns count characters, not UTF-8 bytes."""

    path: str  # "src/train.py", as given or relative to the project, with forward slashes
    line: int  # first line, from 1
    column: int  # first column, from 0
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.path}:{_in_file(self.line)}:{self.column + 1}"

    @property
    def cell(self) -> int | None:
        """Return the number of the notebook's cell that holds it."""
        return self.line.cell if isinstance(self.line, CellLine) else None

    @property
    def rows(self) -> tuple[int, int]:
        """Return the first and the last line as who reads the file or the cell counts them."""
        first, last = (
            line.row if isinstance(line, CellLine) else line for line in (self.line, self.end_line)
        )
        return first, last

    def contains(self, other: Span) -> bool:
        """Say whether `other` lies within this span of the same file."""
        return self.path == other.path and self[1:3] <= other[1:3] and other[3:5] <= self[3:5]


class Problem(NamedTuple):
    """Why a file could not be analysed, rewritten or written; the other files go on."""

    path: str
    line: int  # 0 where no line is known
    column: int  # from 0
    message: str  # "not valid Python: '(' was never closed"
    details: str = ""  # of a bug of ours: what was planned, where it struck; not for the terminal

    def __str__(self) -> str:
        place = f":{_in_file(self.line)}:{self.column + 1}" if self.line else ""
        return f"{self.path}{place}: {self.message}"


class Token(NamedTuple):
    """A JSON string of a notebook, and what it says."""

    start: int  # where its first quote stands in the file's text
    end: int
    text: str

    def offset(self, json: str, index: int) -> int:
        """Return where in the file's text a character of what the string says stands."""
        units = re.compile(UNIT).finditer(json, self.start + 1, self.end - 1)
        return next((m.start() for n, m in enumerate(units) if n == index), self.end - 1)


class Cell(NamedTuple):
    """One code cell of a notebook."""

    number: int  # among all cells, from 1
    line: int  # of the text of the whole notebook: the first of the cell's own
    height: int  # how many lines it has
    text: str  # as its author wrote it, magics and all
    tokens: tuple[Token, ...]  # which say this text, one after the other
    magics: frozenset[int]  # its rows, from 1, in whose place other text is analysed

    def end(self) -> int:
        """Return the line after the cell; it belongs to no cell."""
        return self.line + self.height


class Notebook(NamedTuple):
    """What the file of a notebook holds, beside the text that is analysed."""

    json: str  # all of it, without the byte order mark
    cells: tuple[Cell, ...]  # those that hold Python

    def cell_at(self, line: int) -> Cell | None:
        """Return the cell that a line of the text belongs to."""
        index = bisect_right(self.cells, line, key=lambda cell: cell.line) - 1
        return self.cells[index] if index >= 0 and line < self.cells[index].end() else None


class Source(NamedTuple):
    """One file as read: its text with every newline as it stood."""

    path: str
    text: str  # without the byte order mark
    encoding: str  # "utf-8", "iso8859-1": what writes the text back
    bom: bool
    digest: str  # of the bytes, to notice that the file changed since
    notebook: Notebook | None = None

    def lines(self) -> list[str]:
        """Return the lines with their endings; only CR, LF and CRLF end a line."""
        return split_lines(self.text)

    def shown(self) -> list[str]:
        """Return the same lines as their author wrote them: with the magics of a notebook."""
        lines = self.lines()
        for cell in self.notebook.cells if self.notebook else ():
            lines[cell.line - 1 : cell.end() - 1] = split_lines(cell.text)
        return lines

    def line(self, number: int) -> int:
        """Return a line of the text; that of a notebook knows its cell."""
        cell = self.notebook.cell_at(number) if self.notebook else None
        return CellLine(number, cell.number, number - cell.line + 1) if cell else number


def split_lines(text: str) -> list[str]:
    """Split at CR, LF and CRLF only, endings kept, as Python's tokenizer counts lines."""
    if not _OTHER_ENDS.search(text):
        return text.splitlines(keepends=True)
    lines: list[str] = []
    start = 0
    for match in _NEWLINE.finditer(text):
        lines.append(text[start : match.end()])
        start = match.end()
    if start < len(text):
        lines.append(text[start:])
    return lines


def characters(lines: Sequence[str], line: int, column: int) -> int:
    """Turn a column in bytes of UTF-8 into one in characters."""
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if text.isascii():
        return column
    return len(text.encode("utf-8")[:column].decode("utf-8", "replace"))
