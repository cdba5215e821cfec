"""The values every stage shares: a file's text, a place in it, and what is wrong with it."""

from __future__ import annotations

import re
from typing import NamedTuple

_NEWLINE = re.compile(r"\r\n|\r|\n")


class Span(NamedTuple):
    """A half-open stretch of one file; columns count characters, not UTF-8 bytes."""

    path: str  # "src/train.py", as given or relative to the project, with forward slashes
    line: int  # first line, from 1
    column: int  # first column, from 0
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column + 1}"

    def contains(self, other: Span) -> bool:
        """Say whether `other` lies within this span of the same file."""
        return self.path == other.path and self[1:3] <= other[1:3] and other[3:5] <= self[3:5]


class Problem(NamedTuple):
    """Why a file could not be analysed, rewritten or written; the other files go on."""

    path: str
    line: int  # 0 where no line is known
    column: int  # from 0
    message: str  # "not valid Python: '(' was never closed"

    def __str__(self) -> str:
        place = f":{self.line}:{self.column + 1}" if self.line else ""
        return f"{self.path}{place}: {self.message}"


class Source(NamedTuple):
    """One file as read: its text with every newline as it stood."""

    path: str
    text: str  # without the byte order mark
    encoding: str  # "utf-8", "iso8859-1": what writes the text back
    bom: bool
    digest: str  # of the bytes, to notice that the file changed since

    def lines(self) -> list[str]:
        """Return the lines with their endings; only CR, LF and CRLF end a line."""
        return split_lines(self.text)


def split_lines(text: str) -> list[str]:
    """Split at CR, LF and CRLF only, endings kept, as Python's tokenizer counts lines."""
    lines: list[str] = []
    start = 0
    for match in _NEWLINE.finditer(text):
        lines.append(text[start : match.end()])
        start = match.end()
    if start < len(text):
        lines.append(text[start:])
    return lines
