"""A repair side by side: lines before and after, coloured as Python, what differs in them marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer
from pygments.token import STANDARD_TYPES, Token

from fixgrad.report.colour import harmless

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)")
_LIGHT, _DARK = "default", "github-dark"


class Piece(NamedTuple):
    """Some characters that look the same."""

    text: str
    css: str  # pygments' short name of the token's type
    marked: bool  # differs from the other side


class Side(NamedTuple):
    """One line, before or after."""

    number: int
    pieces: tuple[Piece, ...]
    changed: bool


class Row(NamedTuple):
    """A line beside what becomes of it; or, without either, a heading between hunks."""

    left: Side | None
    right: Side | None
    heading: str = ""


def rows(diff: str) -> list[Row]:
    """Return a unified diff as rows; where several files change, headings name them."""
    found: list[Row] = []
    old: list[str] = []
    new: list[str] = []
    left = right = 0
    named = ""
    for line in [*diff.split("\n"), "@@ -0 +0 @@"]:
        hunk = _HUNK.match(line)
        if line[:1] in (" ", "") or hunk or line.startswith(("--- ", "+++ ")):
            found += _changed(old, new, left - len(old), right - len(new))
            old, new = [], []
        if line.startswith("+++ "):
            named = _unquoted(line[4:].strip()).removeprefix("b/")
        elif hunk:
            if int(hunk[1]) or int(hunk[2]):
                heading = " ".join(filter(None, (named, hunk[3])))
                found.append(Row(None, None, heading or f"line {hunk[1]}"))
            left, right = int(hunk[1]), int(hunk[2])
        elif line.startswith("-") and not line.startswith("--- "):
            old.append(line[1:])
            left += 1
        elif line.startswith("+"):
            new.append(line[1:])
            right += 1
        elif line.startswith(" "):
            pieces = tuple(_pieces(line[1:], range(0)))
            found.append(Row(Side(left, pieces, False), Side(right, pieces, False)))
            left, right = left + 1, right + 1
    return found


def _unquoted(name: str) -> str:
    """Return the name of a file that a patch quotes as git does."""
    if not name.startswith('"'):
        return name
    raw = name[1:-1].encode("ascii", "replace").decode("unicode_escape")
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _changed(old: Sequence[str], new: Sequence[str], left: int, right: int) -> Iterator[Row]:
    """Yield the rows of a changed stretch: lines that have become others stand beside these."""
    for number, (before, after) in enumerate(zip_longest(old, new)):
        if before is None or after is None:
            whole = range(0)
            yield Row(
                Side(left + number, tuple(_pieces(before, whole)), True) if before is not None else None,
                Side(right + number, tuple(_pieces(after, whole)), True) if after is not None else None,
            )  # fmt: skip
            continue
        head, tail = _same(before, after)
        yield Row(
            Side(left + number, tuple(_pieces(before, range(head, len(before) - tail))), True),
            Side(right + number, tuple(_pieces(after, range(head, len(after) - tail))), True),
        )


def _same(one: str, other: str) -> tuple[int, int]:
    """Return how many characters are the same at the beginning and at the end."""
    most = min(len(one), len(other))
    head = next((n for n in range(most) if one[n] != other[n]), most)
    tails = (n for n in range(most - head) if one[-1 - n] != other[-1 - n])
    return head, next(tails, most - head)


def _pieces(line: str, marked: range) -> Iterator[Piece]:
    at = 0
    for kind, text in _tokens(line):
        cuts = sorted({0, len(text), *(c - at for c in (marked.start, marked.stop))})
        inside = [cut for cut in cuts if 0 <= cut <= len(text)]
        for start, end in pairwise(inside):
            if end > start:
                shown = harmless(text[start:end]).replace("\t", "    ")
                yield Piece(shown, _css(kind), at + start in marked)
        at += len(text)


def _tokens(line: str) -> Iterable[tuple[Any, str]]:
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    yield from lexer.get_tokens(line)


def _css(kind: Any) -> str:
    """Return the class of a type of token, or of the nearest that has one."""
    while kind not in STANDARD_TYPES:
        kind = kind.parent or Token
    return str(STANDARD_TYPES[kind])


def styles() -> dict[str, str]:
    """Return the style sheets of the colours, for light and for dark."""
    return {
        name: HtmlFormatter(style=style, nobackground=True).get_style_defs(".code")
        for name, style in (("light", _LIGHT), ("dark", _DARK))
    }
