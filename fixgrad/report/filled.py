"""Running text in several styles, broken into lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.report.colour import harmless, paint
from fixgrad.report.excerpt import columns


def filled(
    parts: Iterable[tuple[str, str]],
    colour: bool,
    width: int | None,
    *,
    indent: str,
    first: str = "",
) -> list[str]:
    """Return texts, each with its style, as lines of at most `width` columns; None breaks nothing.

    Lines break between words only; those after the first begin with the indent.
    """
    lines: list[list[tuple[str, str]]] = [[]]
    taken = len(first)
    for text, style in parts:
        for number, word in enumerate(harmless(text).split(" ")):
            space = " " if number or lines[-1] else ""
            wide = columns(space + word)
            if width is not None and lines[-1] and word and taken + wide > width:
                lines.append([])
                space, taken, wide = "", len(indent), columns(word)
            if lines[-1] and lines[-1][-1][1] == style:
                lines[-1][-1] = (lines[-1][-1][0] + space + word, style)
            else:
                lines[-1].append((space + word, style))
            taken += wide
    return [
        (indent if number else first)
        + "".join(_painted(text, style, colour) for text, style in line)
        for number, line in enumerate(lines)
    ]


def _painted(text: str, style: str, colour: bool) -> str:
    if not style:
        return text
    bare = text.lstrip(" ")
    return " " * (len(text) - len(bare)) + paint(bare, style, colour)
