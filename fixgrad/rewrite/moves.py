"""Where the places of a file are once it is patched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import cached_property

from fixgrad.edits import Patch
from fixgrad.rewrite.layout import Layout
from fixgrad.source import Source, Span


class Moves:
    """Where the places of a file are once it is patched."""

    def __init__(self, source: Source, patch: Patch) -> None:
        self._source = source
        self._before, self._after = Layout(patch.before), Layout(patch.after)
        self._patch = patch

    def moved(self, span: Span) -> Span:
        """Return what has become of a span: with what was added at its end, without what stands before."""
        ends = self._before.offsets(span)
        if ends is None:
            return span
        start, end = self._offset(ends[0], at_end=False), self._offset(ends[1], at_end=True)
        found = self._after.span(span.path, start, max(start, end))
        line, end_line = self._source.line(found.line), self._source.line(found.end_line)
        return found._replace(line=line, end_line=end_line)

    @cached_property
    def _changes(self) -> list[tuple[int, int, str]]:
        """The edits in small pieces, so that what an edit repeats keeps its place."""
        pieces: list[tuple[int, int, str]] = []
        for edit in self._patch.edits:
            start = self._before.offset(edit.span.line, edit.span.column)
            end = self._before.offset(edit.span.end_line, edit.span.end_column)
            assert start is not None
            assert end is not None
            old = self._patch.before[start:end]
            matcher = SequenceMatcher(None, old, edit.text, autojunk=False)
            for tag, first, last, first_new, last_new in matcher.get_opcodes():
                if tag != "equal":
                    pieces.append((start + first, start + last, edit.text[first_new:last_new]))
        return pieces

    def _offset(self, offset: int, *, at_end: bool) -> int:
        shift = 0
        for start, end, text in self._changes:
            if start > offset or (start == offset and not at_end and start == end):
                break
            if end > offset or (end == offset and start < end and not at_end):
                # within what is replaced: its first or its last character
                return start + shift + (len(text) if at_end else 0)
            shift += len(text) - (end - start)
        return offset + shift


def moves(patches: Iterable[tuple[Source, Patch]]) -> Mapping[str, Moves]:
    """Return what becomes of the places of each patched file."""
    return {source.path: Moves(source, patch) for source, patch in patches}
