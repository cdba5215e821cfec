"""Places that a run has seen as spans of the sources."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.rewrite.layout import Layout
from fixgrad.runtime.records import Place
from fixgrad.source import Cell, Source, Span, characters

_WIDE = 1 << 20  # the end of a line whose columns are not known


class Seen(NamedTuple):
    """A place of a run in a source."""

    span: Span
    exact: bool  # the columns are known

    def within(self, region: Span) -> bool:
        """Say whether it lies in a region, as far as is known."""
        if self.exact:
            return region.contains(self.span)
        lines = region.line <= self.span.line <= region.end_line
        return lines and region.path == self.span.path

    def meets(self, region: Span) -> bool:
        """Say whether it is what a region means: it lies within, or only a little around it."""
        around = self.span.contains(region) and self.span.line == region.line
        return self.within(region) or (self.exact and around)


class Files:
    """The sources of a project by where they stand, in the user's tree or in a copy."""

    def __init__(self, top: str, copy: str, sources: Iterable[Source]) -> None:
        self._layouts: dict[str, Layout] = {}
        self._paths: dict[str, str] = {}  # real place in the copy -> path as shown
        self._sources: dict[str, Source] = {}
        for source in sources:
            place = os.path.realpath(source.path)
            inside = os.path.relpath(place, top)
            self._paths[os.path.join(copy, inside)] = source.path
            self._sources[source.path] = source
            self._layouts[source.path] = Layout(source.text)
        self._copy = copy
        self._places = {path: place for place, path in self._paths.items()}

    def place(self, path: str) -> str:
        """Return where a source stands in the copy."""
        return self._places[path]

    def seen(self, place: Place) -> Seen | None:
        """Return where a place of a run is; None where it is in none of the sources."""
        path = self._paths.get(place.file)
        if path is None:
            return self._in_cell(place) if place.text else None
        return self._seen(path, place, 0)

    def shown(self, place: Place) -> str:
        """Return a place as messages name it."""
        seen = self.seen(place)
        if seen is not None and seen.exact:
            return str(seen.span)
        if seen is not None:
            return str(seen.span).rpartition(":")[0]
        return f"{place.file.removeprefix(self._copy + os.sep)}:{place.line}"

    def line(self, span: Span) -> str:
        """Return the text of the line that a span begins on."""
        lines = self._layouts[span.path].lines
        return lines[span.line - 1].strip() if 0 < span.line <= len(lines) else ""

    def _in_cell(self, place: Place) -> Seen | None:
        """Find a cell that Jupyter ran by its text."""
        for path, source in self._sources.items():
            for cell in source.notebook.cells if source.notebook else ():
                if _is_text_of(cell, place.text):
                    return self._seen(path, place, cell.line - 1)
        return None

    def _seen(self, path: str, place: Place, shift: int) -> Seen:
        source, lines = self._sources[path], self._layouts[path].lines
        line, end_line = (source.line(number + shift) for number in (place.line, place.end_line))
        if place.column is None or place.end_column is None:
            return Seen(Span(path, line, 0, end_line, _WIDE), exact=False)
        start = characters(lines, line, place.column)
        end = characters(lines, end_line, place.end_column)
        return Seen(Span(path, line, start, end_line, end), exact=True)


def _is_text_of(cell: Cell, ran: str) -> bool:
    """Say whether this is what Jupyter ran of a cell: its magics have become Python by then."""
    own, other = cell.text.strip().splitlines(), ran.strip().splitlines()
    return len(own) == len(other) and all(
        line == there or "get_ipython()" in there for line, there in zip(own, other, strict=True)
    )
