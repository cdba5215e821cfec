"""What stands around an expression: parentheses of its own, a call's parentheses, delimiters."""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple

from fixgrad.rewrite.layout import Layout

_WORD = re.compile(r"\w+\Z")
_VALUES = frozenset({"None", "True", "False"})
_LONGEST_KEYWORD = 8


class Parentheses(NamedTuple):
    """A pair of parentheses around one expression only, with the space and comments inside."""

    start: int
    end: int
    opening: str  # "(  # why\n    "
    closing: str  # "\n)"


def grouping(layout: Layout, start: int, end: int) -> Parentheses | None:
    """Return the innermost parentheses that hold just this expression and belong to no call."""
    opened, closed = layout.before(start), layout.after(end)
    text = layout.text
    if not text.endswith("(", 0, opened) or not text.startswith(")", closed):
        return None
    if opens_call(layout, opened - 1):
        return None
    return Parentheses(opened - 1, closed + 1, text[opened - 1 : start], text[end : closed + 1])


def opens_call(layout: Layout, at: int) -> bool:
    """Say whether the `(` at this place belongs to a call, a class or a function."""
    end = layout.before(at)
    if not end or layout.ends_line(end, at):
        return False
    last = layout.text[end - 1]
    if last in ")]}'\"":
        return True
    word = _WORD.search(layout.text, max(0, end - _LONGEST_KEYWORD - 1), end)
    return word is not None and (word.group() in _VALUES or not keyword.iskeyword(word.group()))


def delimited(layout: Layout, start: int, end: int) -> bool:
    """Say whether an operator expression may stand here without parentheses."""
    return _opened(layout, start) and _closed(layout, end)


def _opened(layout: Layout, start: int) -> bool:
    end = layout.before(start)
    if not end or layout.ends_line(end, start):
        return True
    text = layout.text
    if text[end - 1] == "=":
        return text[end - 2 : end - 1] not in tuple("=<>!:")
    return text[end - 1] in "([{,:;" or text.endswith("return", 0, end)


def _closed(layout: Layout, end: int) -> bool:
    start = layout.after(end)
    text = layout.text
    return start >= len(text) or text[start] in ")]},:;" or layout.ends_line(end, start)
