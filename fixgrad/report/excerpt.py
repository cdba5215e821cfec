"""A line of source with marks under the stretch that is meant, cut to the columns there are."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from fixgrad.report.colour import harmless, paint
from fixgrad.source import Span

WIDEST = 160  # columns of a source line that are shown where nobody says how many there are
INDENT = " " * 5


class Excerpt(NamedTuple):
    """What is shown of a line, and where in it the stretch stands, in columns of a terminal."""

    text: str
    offset: int
    width: int


def excerpt(span: Span, lines: Sequence[str], room: int = WIDEST) -> Excerpt | None:
    """Return the first line of a span without its indent, or None where there is no such line."""
    if not 0 < span.line <= len(lines):
        return None
    line = lines[span.line - 1].rstrip("\r\n")
    end = span.end_column if span.end_line == span.line else len(line.rstrip())
    start = len(line) - len(line.lstrip())
    before, covered = line[start : span.column], line[max(span.column, start) : end]
    rest = line[end:].rstrip()
    if columns(before + covered + rest) > room and columns(before) > room // 2:
        before = "…" + before[-room // 4 :]  # show the end of what stands before
    offset = columns(before)
    width = max(1, min(columns(covered), room - offset))
    return Excerpt(_expanded(cut(before + covered + rest, room)), offset, width)


def underlined(
    span: Span, lines: Sequence[str], colour: bool, width: int | None = None
) -> list[str]:
    """Return the line and carets under the stretch, as two lines."""
    found = excerpt(span, lines, WIDEST if width is None else max(width - len(INDENT), 20))
    if found is None:
        return []
    carets = " " * found.offset + paint("^" * found.width, "red", colour)
    return [f"{INDENT}{harmless(found.text)}", f"{INDENT}{carets}"]


def cut(text: str, room: int) -> str:
    """Return as much of a text as fits into so many columns."""
    if columns(text) <= room:
        return text
    while columns(text) >= room:
        text = text[: max(len(text) - max(1, (columns(text) - room) // 2), 0)]
    return text + "…"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    text = harmless(_expanded(text))
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _expanded(text: str) -> str:
    return text.replace("\t", "    ")
