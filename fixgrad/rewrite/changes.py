"""Changes of one text by offset, and the patch they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.edits import Edit, Patch
from fixgrad.rewrite.layout import Layout


class Change(NamedTuple):
    """A stretch of the original text and its new text; insertions are empty stretches."""

    start: int
    end: int
    text: str
    order: tuple[int, int] = (0, 0)  # among insertions at one place


def ordered(changes: Iterable[Change]) -> list[Change]:
    """Sort the changes and join the insertions at one place."""
    result: list[Change] = []
    for change in sorted(changes, key=lambda change: (change.start, change.end, change.order)):
        if result and change.start == change.end == result[-1].end == result[-1].start:
            result[-1] = result[-1]._replace(text=result[-1].text + change.text)
        else:
            result.append(change)
    return result


def spliced(text: str, changes: Iterable[Change], start: int, end: int) -> str:
    """Return a stretch of the text with the changes in it made; they are in order and disjoint."""
    pieces: list[str] = []
    for change in changes:
        pieces += (text[start : change.start], change.text)
        start = change.end
    pieces.append(text[start:end])
    return "".join(pieces)


def patch(path: str, layout: Layout, changes: Iterable[Change]) -> Patch:
    """Return the patch; a change that changes nothing is left out."""
    text = layout.text
    real = [change for change in ordered(changes) if text[change.start : change.end] != change.text]
    edits = tuple(Edit(layout.span(path, start, end), new) for start, end, new, _ in real)
    return Patch(path, text, spliced(text, real, 0, len(text)), edits)
