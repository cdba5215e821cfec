"""A text as places: offsets, lines, and what surrounds a place once strings and comments are known.

It does not know what the tokens mean; that is left to the tree.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

from fixgrad.rewrite.literals import Literal, literals
from fixgrad.source import Span, split_lines

_BLANK = " \t\f\r\n\\"  # a backslash outside a string only continues a line
_TRIVIA = re.compile(r"(?:[ \t\f\r\n\\]|#[^\r\n]*)*")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_LEADING = re.compile(r"[ \t\f]*")


@dataclass(frozen=True)
class Layout:
    """One text and, computed when first asked for, its lines and literals."""

    text: str

    @cached_property
    def lines(self) -> list[str]:
        return split_lines(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Return the offset of each line, and of the line after the last newline."""
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        if self.lines and not self.lines[-1].endswith(("\r", "\n")):
            starts.pop()
        return starts

    @cached_property
    def literals(self) -> list[Literal]:
        return literals(self.text)

    @cached_property
    def _literal_starts(self) -> list[int]:
        return [literal.start for literal in self.literals]

    def offsets(self, span: Span) -> tuple[int, int] | None:
        """Return where the span starts and ends, or None where the text has no such place."""
        start = self.offset(span.line, span.column)
        end = self.offset(span.end_line, span.end_column)
        return None if start is None or end is None or start >= end else (start, end)

    def offset(self, line: int, column: int) -> int | None:
        """Return the offset of a place, None where the text has no such place."""
        if not 1 <= line <= len(self.starts) or column < 0:
            return None
        offset = self.starts[line - 1] + column
        last = self.starts[line] if line < len(self.starts) else len(self.text)
        return offset if offset <= last else None

    def span(self, path: str, start: int, end: int) -> Span:
        """Return the span of a stretch of the text."""
        first, last = self.line_at(start), self.line_at(end)
        return Span(path, first + 1, start - self.starts[first], last + 1, end - self.starts[last])

    def line_at(self, offset: int) -> int:
        """Return the index of the line that holds `offset`."""
        return bisect_right(self.starts, offset) - 1

    def line_start(self, offset: int) -> int:
        return self.starts[self.line_at(offset)]

    def indentation(self, offset: int) -> str:
        """Return the white space that starts the line of `offset`, after any form feed."""
        match = _LEADING.match(self.text, self.line_start(offset))
        return match.group().rpartition("\f")[2] if match else ""

    def newline(self, offset: int) -> str:
        """Return what ends the line of `offset`; for the last line, what ended the one before."""
        if match := _NEWLINE.search(self.text, offset):
            return match.group()
        earlier = _NEWLINE.search(self.lines[-2]) if len(self.lines) > 1 else None
        return earlier.group() if earlier else "\n"

    def literal_over(self, offset: int) -> Literal | None:
        """Return the string or comment that holds the character before `offset`."""
        index = bisect_left(self._literal_starts, offset) - 1
        found = self.literals[index] if index >= 0 else None
        return found if found and found.end >= offset else None

    def in_string(self, offset: int) -> bool:
        """Say whether `offset` lies strictly inside a string."""
        found = self.literal_over(offset)
        return found is not None and not found.comment and found.end > offset

    def continues(self, line_start: int) -> bool:
        """Say whether a backslash joins the line to the one before."""
        end = len(self.text[max(0, line_start - 3) : line_start].rstrip("\r\n"))
        end += max(0, line_start - 3)
        return self.text.endswith("\\", 0, end) and self.literal_over(end) is None

    def before(self, offset: int) -> int:
        """Return the end of the last token before `offset`, 0 where there is none."""
        while True:
            while offset and self.text[offset - 1] in _BLANK:
                offset -= 1
            comment = self.literal_over(offset)
            if comment is None or not comment.comment:
                return offset
            offset = comment.start

    def after(self, offset: int) -> int:
        """Return the start of the first token from `offset` on."""
        match = _TRIVIA.match(self.text, offset)
        return match.end() if match else offset

    def depth(self, offset: int) -> int:
        """Return how many brackets are open at `offset`."""
        depth = at = 0
        for literal in [*self.literals, Literal(offset, offset, False)]:
            code = self.text[at : min(literal.start, offset)]
            depth += sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))
            at = literal.end
            if at >= offset:
                break
        return depth

    def ends_line(self, start: int, end: int) -> bool:
        """Say whether a statement ends in the trivia between `start` and `end`."""
        trivia = self.text[start:end].replace("\\\r\n", "").replace("\\\n", "").replace("\\\r", "")
        return ("\n" in trivia or "\r" in trivia) and not self.depth(start)
