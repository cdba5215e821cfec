"""The comments of a file that are meant for fixgrad, each with the lines that it speaks of.

`# noqa: FG101`, `# fixgrad: ignore[FG101] a reason` and its kin. Only comments count, never what a string says.
"""

from __future__ import annotations

import re
import tokenize
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.source import Source, Span

_OF_LINES = ("ignore", "fixme", "data")
KINDS = (*_OF_LINES, "disable", "enable", "file-ignore")
NOQA, GENERATED = "noqa", "@generated"

_MENTION = re.compile(
    r"fixgrad:|#[ \t]*noqa(?!\w)(?!:[ \t]*(?!FG)[A-Z])|noqa:.*\bFG", re.IGNORECASE
)
_OURS = re.compile(
    r"#[ \t]*fixgrad:[ \t]*(?P<kind>[\w-]+)[ \t]*(?:\[(?P<codes>[^\]#]*)\])?"
    r"(?P<rest>(?:(?!#[ \t]*[A-Za-z]).)*)"  # a number after a # is no other comment
)
_NOQA = re.compile(
    r"#[ \t]*noqa(?!\w)(?::[ \t]*(?P<codes>[A-Z]+[0-9]+(?:[, \t]+[A-Z]+[0-9]+)*))?", re.IGNORECASE
)
_BETWEEN = re.compile(r"[,\s]+")
_BLANK = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
_HEADER_LINES = 40  # in which a file may say that it is generated


class Comment(NamedTuple):
    """One thing that a comment says to fixgrad."""

    kind: str  # one of KINDS or NOQA; anything else is a mistake
    codes: tuple[str, ...] | None  # None means all rules
    span: Span  # of these words in the comment, with their reason
    lines: range  # that it speaks of; empty for what holds from a line on, or for the whole file
    reason: str = ""

    def names(self, rule: str) -> bool:
        """Say whether this rule is meant."""
        return self.codes is None or any(rule.startswith(code) for code in self.codes)


class _Layout(NamedTuple):
    """Where the code and the comments of a text stand."""

    statements: list[range]  # the lines of each logical line
    code: list[int]  # lines that hold code, in order
    comments: list[tuple[int, int, str]]  # line, column, text

    def statement_at(self, line: int) -> range | None:
        """Return the logical line that holds a line."""
        index = bisect_right(self.statements, line, key=lambda lines: lines[0]) - 1
        return self.statements[index] if index >= 0 and line in self.statements[index] else None

    def has_code(self, line: int) -> bool:
        index = bisect_left(self.code, line)
        return index < len(self.code) and self.code[index] == line

    def spoken_of(self, line: int) -> range:
        """Return the lines that a comment on this line speaks of.

        Behind code that is its line or, on the first or last line of a statement, all of them;
        alone on its line, the statement that follows or, inside of one, the next line of code.
        """
        statement = self.statement_at(line)
        if self.has_code(line):
            if statement is not None and line in (statement[0], statement[-1]):
                return statement
            return range(line, line + 1)
        index = bisect_right(self.code, line)
        if index == len(self.code):
            return range(line, line)
        following = self.code[index]
        if statement is not None:
            return range(following, following + 1)
        return self.statement_at(following) or range(following, following + 1)


def comments(source: Source) -> list[Comment]:
    """Return what the comments of a file say to fixgrad, in order."""
    folded = source.text.lower()
    if "fixgrad:" not in folded and "noqa" not in folded:
        return []  # as almost always, and quicker to see
    if not _MENTION.search(source.text):
        return []
    layout = layout_of(source.lines())
    return [
        comment
        for row, column, text in layout.comments
        for comment in _said(source, layout, row, column, text)
    ]


def is_generated(source: Source) -> bool:
    """Say whether a comment at the beginning marks the file as made by a program."""
    if GENERATED not in source.text:
        return False
    head = source.lines()[:_HEADER_LINES]
    return any(GENERATED in text for _, _, text in layout_of(head).comments)


def layout_of(lines: list[str]) -> _Layout:
    """Read the tokens of a text, as far as it can be read."""
    found = _Layout([], [], [])
    rest = (line.rstrip("\r\n") + "\n" for line in lines)
    first = 0
    try:
        for token in tokenize.generate_tokens(lambda: next(rest, "")):
            row, column = token.start
            if token.type == tokenize.COMMENT:
                found.comments.append((row, column, token.string))
            elif token.type == tokenize.NEWLINE:
                if first:
                    found.statements.append(range(first, row + 1))
                first = 0
            elif token.type not in _BLANK:
                first = first or row
                last = found.code[-1] if found.code else 0
                found.code.extend(range(max(row, last + 1), token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass  # the file is a problem by itself
    return found


def _said(source: Source, layout: _Layout, row: int, column: int, text: str) -> Iterator[Comment]:
    def span(match: re.Match[str]) -> Span:
        end = match.start() + len(match.group().rstrip())
        line = source.line(row)
        return Span(source.path, line, column + match.start(), line, column + end)

    for match in _OURS.finditer(text):
        lines = layout.spoken_of(row) if match["kind"] in _OF_LINES else range(row, row)
        codes, reason = _codes(match["codes"]), match["rest"].strip()
        yield Comment(match["kind"], codes, span(match), lines, reason)
    if layout.has_code(row):  # as flake8 has it: alone on its line it says nothing
        for match in _NOQA.finditer(text):
            yield Comment(NOQA, _codes(match["codes"]), span(match), layout.spoken_of(row))


def _codes(text: str | None) -> tuple[str, ...] | None:
    """Return the codes that are named; brackets without a code name none."""
    return None if text is None else tuple(filter(None, _BETWEEN.split(text.upper())))
