"""Indentation: the blocks that statements are moved into, and what each line in them gains.

The inside of a multi-line string is never moved, and blank lines stay blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fixgrad.rewrite.changes import Change
from fixgrad.rewrite.layout import Layout

_LEADING = re.compile(r"[ \t\f]*")


class Block(NamedTuple):
    """Whole lines that move to the right, under one header or more."""

    start: int  # where the first line starts
    end: int  # where the last line ends
    header: int  # where the headers are put: where the first statement starts
    indentation: str  # of its statements, before
    added: str  # what every line gains
    unit: str  # what one header adds
    wraps: tuple[str, ...]  # innermost first


def enclosing(blocks: Sequence[Block], offset: int) -> list[Block]:
    """Return the blocks around a place, innermost first."""
    around = [block for block in blocks if block.start <= offset < block.end]
    return sorted(around, key=lambda block: (-block.start, block.end))


def shifted(indentation: str, around: Sequence[Block]) -> str:
    """Return what the indentation becomes inside the blocks; innermost first."""
    for block in around:
        common = len(block.indentation) if indentation.startswith(block.indentation) else 0
        indentation = indentation[:common] + block.added + indentation[common:]
    return indentation


def headers(wraps: Sequence[str], newline: str, indentation: str, unit: str) -> str:
    """Return the headers, outermost first, and the indentation of what comes under the last."""
    return "".join(
        f"with {wrap}:{newline}{indentation}{unit * (depth + 1)}"
        for depth, wrap in enumerate(reversed(wraps))
    )


def moved(layout: Layout, blocks: Sequence[Block], changes: Sequence[Change]) -> Iterator[Change]:
    """Yield the headers and what each line gains; lines inside a change are not touched."""
    within = _lines_within(layout, changes)
    for block in blocks:
        outer = [other for other in enclosing(blocks, block.start) if other is not block]
        text = headers(
            block.wraps,
            layout.newline(block.header),
            shifted(block.indentation, outer),
            block.unit,
        )
        yield Change(block.header, block.header, text, (1, 0))
        first, last = layout.line_at(block.header) + 1, layout.line_at(block.end - 1)
        for index in range(first, last + 1):
            if index not in within:
                yield from _gain(layout, block, index)


def _gain(layout: Layout, block: Block, index: int) -> Iterator[Change]:
    line, start = layout.lines[index], layout.starts[index]
    if not line.strip(" \t\f\r\n") or layout.in_string(start):
        return
    at = _margin(line)
    if line.startswith(block.indentation, at):
        at += len(block.indentation)
    yield Change(start + at, start + at, block.added, (1, 0))


def _margin(line: str) -> int:
    """Return where the indentation starts: after the last form feed before the code."""
    leading = _LEADING.match(line)
    return leading.group().rfind("\f") + 1 if leading else 0


def _lines_within(layout: Layout, changes: Sequence[Change]) -> set[int]:
    """Return the lines that start inside a change."""
    within: set[int] = set()
    for change in changes:
        if change.start < change.end:
            removed = not change.text and change.start == layout.line_start(change.start)
            first = layout.line_at(change.start) + (0 if removed else 1)
            last = layout.line_at(change.end) - (layout.line_start(change.end) == change.end)
            within.update(range(first, last + 1))
    return within


def indented(change: Change, blocks: Sequence[Block]) -> Change:
    """Return the new text of an expression with its further lines moved as the blocks move them."""
    around = enclosing(blocks, change.start)
    if not around or not ("\n" in change.text or "\r" in change.text):
        return change
    layout = Layout(change.text)
    pieces = layout.lines[:1]
    for line, start in zip(layout.lines[1:], layout.starts[1:], strict=False):
        if layout.in_string(start) or not line.strip(" \t\f\r\n"):
            pieces.append(line)
        else:
            at, code = _margin(line), len(line) - len(line.lstrip(" \t\f"))
            pieces += (line[:at], shifted(line[at:code], around), line[code:])
    return change._replace(text="".join(pieces))
