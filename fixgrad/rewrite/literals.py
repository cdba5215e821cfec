"""Where the strings and comments of a text lie, found without parsing.

Inside them a bracket, a quote, a newline or a `#` is no syntax. The text must be valid Python, or
an expression of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LITERAL = re.compile(
    r"#[^\r\n]*"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\]*(?:\\.[^"\\]*)*"'
    r"|'[^'\\]*(?:\\.[^'\\]*)*'",
    re.DOTALL,
)
_PREFIX = re.compile(r"\w*\Z")
_FORMATTED = frozenset({"f", "fr", "rf", "t", "tr", "rt"})


class Literal(NamedTuple):
    """A string token without its prefix, or a comment without its newline."""

    start: int
    end: int
    comment: bool


def literals(text: str) -> list[Literal]:
    """Return the strings and comments of `text`, in order."""
    found: list[Literal] = []
    at = 0
    while match := _LITERAL.search(text, at):
        start, at = match.span()
        comment = text[start] == "#"
        if not comment and _prefix(text, start) in _FORMATTED:
            at = _formatted_end(text, start) or at
        found.append(Literal(start, at, comment))
    return found


def _prefix(text: str, quote: int) -> str:
    word = _PREFIX.search(text[max(0, quote - 3) : quote])
    return word.group().lower() if word else ""


def _formatted_end(text: str, quote: int) -> int | None:
    """Return where an f-string ends; from Python 3.12 its fields may hold its own quote."""
    raw = "r" in _prefix(text, quote)
    mark = text[quote] * 3 if text.startswith(text[quote] * 3, quote) else text[quote]
    at = quote + len(mark)
    try:
        while not text.startswith(mark, at):
            at = _piece_end(text, at, raw)
    except IndexError:  # never closed when read this way: it is an ordinary string
        return None
    return at + len(mark)


def _piece_end(text: str, at: int, raw: bool) -> int:
    """Step over one character, one escape or one replacement field of an f-string."""
    if text[at] == "\\":
        if not raw and text.startswith("\\N{", at):
            return text.index("}", at) + 1 if "}" in text[at:] else len(text)
        return at + 1 if text[at + 1] in "{}" else at + 2
    if text[at] == "{":
        return at + 2 if text[at + 1] == "{" else _field_end(text, at + 1, raw)
    return at + 1


def _field_end(text: str, at: int, raw: bool) -> int:
    """Return the end of a replacement field whose expression starts at `at`."""
    depth = 0
    while text[at] != "}" or depth:
        char = text[at]
        if char == ":" and not depth:
            return _specification_end(text, at + 1, raw)
        if char in "'\"#":
            at = _nested_end(text, at)
            continue
        depth += (char in "([{") - (char in ")]}")
        at += 1
    return at + 1


def _specification_end(text: str, at: int, raw: bool) -> int:
    while text[at] != "}":
        at = _field_end(text, at + 1, raw) if text[at] == "{" else at + 1
    return at + 1


def _nested_end(text: str, at: int) -> int:
    if text[at] != "#" and _prefix(text, at) in _FORMATTED:
        end = _formatted_end(text, at)
        if end is not None:
            return end
    match = _LITERAL.match(text, at)
    if match is None:
        raise IndexError(at)
    return match.end()
