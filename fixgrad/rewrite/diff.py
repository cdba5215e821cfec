"""A patch as a unified diff that `git apply` takes: made from the edits, not by comparing lines.

As git sees it, only LF ends a line; a CR is content.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.rewrite.changes import Change, spliced
from fixgrad.rewrite.layout import Layout

_CONTEXT = 3
_MARK = "\ufeff"
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
_ESCAPES |= {ord('"'): '\\"', ord("\\"): "\\\\"}


class _Block(NamedTuple):
    """Consecutive lines that change."""

    first: int  # index of the first removed line, or of the line after an insertion
    removed: list[str]
    added: list[str]

    def end(self) -> int:
        return self.first + len(self.removed)


def unified(patch: Patch, bom: bool = False, sections: Sequence[tuple[int, str]] = ()) -> str:
    """Return the diff, empty where nothing changes; `bom` says the file starts with the mark.

    A hunk is headed by the section it begins to change: the index of its first line, and its name.
    """
    mark = _MARK if bom else ""
    lines = _lines(mark + patch.before)
    hunks = list(_hunks(lines, _blocks(patch, lines, mark), sections))
    if not hunks:
        return ""
    return header(patch.path) + "".join(hunks)


def header(path: str) -> str:
    """Return the lines that name a file in a patch."""
    return f"--- {_name('a', path)}\n+++ {_name('b', path)}\n"


def unified_bytes(
    patch: Patch, encoding: str, bom: bool, sections: Sequence[tuple[int, str]] = ()
) -> bytes:
    """Return the diff as bytes; the lines are in the file's encoding, as they are in the file."""
    codec = codecs.lookup(encoding).name
    return unified(patch, bom, sections).encode("utf-8" if codec == "utf-8-sig" else codec)


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _blocks(patch: Patch, lines: Sequence[str], mark: str) -> list[_Block]:
    text = mark + patch.before
    starts = [0, *accumulate(map(len, lines))]
    blocks: list[_Block] = []
    for first, end, changes in _touched(_offsets(patch, len(mark)), starts):
        new = spliced(text, changes, starts[first], starts[min(end, len(lines))])
        block = _trimmed(first, list(lines[first:end]), _lines(new))
        if blocks and blocks[-1].end() == block.first:
            last = blocks.pop()
            block = _Block(last.first, last.removed + block.removed, last.added + block.added)
        if block.removed or block.added:
            blocks.append(block)
    return blocks


def _offsets(patch: Patch, shift: int) -> list[Change]:
    """Return the edits by offset; a patch without edits is one edit of the whole text."""
    if not patch.edits:
        whole = Change(shift, shift + len(patch.before), patch.after)
        return [whole] if patch.before != patch.after else []
    starts = Layout(patch.before).starts
    return [
        Change(
            shift + starts[span.line - 1] + span.column,
            shift + starts[span.end_line - 1] + span.end_column,
            text,
        )
        for span, text in patch.edits
    ]


def _touched(
    changes: Sequence[Change], starts: Sequence[int]
) -> Iterator[tuple[int, int, list[Change]]]:
    """Yield runs of lines that share a change, with the changes in them."""
    last = max(len(starts) - 2, 0)
    first = end = 0
    run: list[Change] = []
    for change in changes:
        top = min(bisect_right(starts, change.start) - 1, last)
        if run and top >= end:
            yield first, end, run
            run = []
        first = top if not run else first
        end = min(bisect_right(starts, change.end) - 1, last) + 1
        run.append(change)
    if run:
        yield first, end, run


def _trimmed(first: int, removed: list[str], added: list[str]) -> _Block:
    """Leave out the lines at both ends that stay as they are."""
    shortest = min(len(removed), len(added))
    head = 0
    while head < shortest and removed[head] == added[head]:
        head += 1
    tail = 0
    while tail < shortest - head and removed[-1 - tail] == added[-1 - tail]:
        tail += 1
    return _Block(
        first + head, removed[head : len(removed) - tail], added[head : len(added) - tail]
    )


def _hunks(
    lines: Sequence[str], blocks: Sequence[_Block], sections: Sequence[tuple[int, str]]
) -> Iterator[str]:
    starts = [start for start, _ in sections]
    moved = 0  # how many lines the earlier hunks added
    index = 0
    while index < len(blocks):
        end = index + 1
        while end < len(blocks) and blocks[end].first - blocks[end - 1].end() <= 2 * _CONTEXT:
            end += 1
        section = bisect_right(starts, blocks[index].first) - 1
        name = f" {sections[section][1]}" if section >= 0 else ""
        text, growth = _hunk(lines, blocks[index:end], moved, name)
        yield text
        moved += growth
        index = end


def _hunk(
    lines: Sequence[str], blocks: Sequence[_Block], moved: int, section: str
) -> tuple[str, int]:
    """Return one hunk and how many lines it adds."""
    start = at = max(0, blocks[0].first - _CONTEXT)
    end = min(len(lines), blocks[-1].end() + _CONTEXT)
    body: list[str] = []
    for block in blocks:
        body += [_line(" ", line) for line in lines[at : block.first]]
        body += [_line("-", line) for line in block.removed]
        body += [_line("+", line) for line in block.added]
        at = block.end()
    body += [_line(" ", line) for line in lines[at:end]]
    growth = sum(len(block.added) - len(block.removed) for block in blocks)
    old, new = end - start, end - start + growth
    header = f"@@ -{_range(start, old)} +{_range(start + moved, new)} @@{section}\n"
    return header + "".join(body), growth


def _range(start: int, count: int) -> str:
    if count == 0:
        return f"{start},0"
    return f"{start + 1}" if count == 1 else f"{start + 1},{count}"


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _name(side: str, path: str) -> str:
    """Quote the path as git does."""
    name = f"{side}/{path.lstrip('/')}"
    raw = name.encode("utf-8", "surrogateescape")
    if any(byte < 32 or byte > 126 or byte in b'"\\' for byte in raw):
        return '"' + "".join(map(_escaped, raw)) + '"'
    return name + "\t" if " " in name else name


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    return chr(byte) if 32 <= byte <= 126 else f"\\{byte:03o}"
