"""Places of a store in the files as they are now, known by their names and what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from fixgrad import project
from fixgrad.edits import Patch
from fixgrad.evidence.store import Spot
from fixgrad.source import Problem, Source, Span, characters, split_lines


class Places:
    """Finds the files that a store speaks of; it names them from the folder of its run.

    A store may come from another machine: a file of the same content whose path ends alike is the file.
    """

    def __init__(self, sources: Sequence[Source], store: str) -> None:
        self._given = {source.path: source for source in sources}
        self._real = {os.path.realpath(source.path): source.path for source in sources}
        self._folders = ("", os.path.dirname(store))
        self._found: dict[tuple[str, str], str | None] = {}
        self._lines: dict[str, list[str]] = {}
        self._known: set[str] = set()  # files of which a run is of today
        self._changed: set[str] = set()  # files of which a run is of another day

    @property
    def stale(self) -> tuple[str, ...]:
        """The given files that have changed since all runs of them."""
        return tuple(sorted(self._changed - self._known))

    def is_given(self, path: str) -> bool:
        """Say whether a file is one of those that are looked at."""
        return path in self._given

    def span(self, spot: Spot) -> Span | None:
        """Return where a place is; None where the file is another one now, or not there."""
        key = (spot.path, spot.digest)
        if key not in self._found:
            self._found[key] = self._find(spot)
        path = self._found[key]
        return self._span(path, spot) if path is not None else None

    def line(self, span: Span) -> str:
        """Return the text that a place begins with, to the end of its line."""
        lines = self._lines_of(span.path)
        return lines[span.line - 1][span.column :] if 0 < span.line <= len(lines) else ""

    def after(self, patches: Iterable[tuple[Source, Patch]]) -> Places:
        """Return the same for the files as some patches leave them."""
        from fixgrad.write import encoded  # noqa: PLC0415  (only for repairs)

        texts = dict(self._given)
        for source, patch in patches:
            digest = project.digest(encoded(source, patch))
            texts[source.path] = source._replace(text=patch.after, digest=digest)
        places = Places(list(texts.values()), "")
        places._known, places._changed = self._known, self._changed
        return places

    def _find(self, spot: Spot) -> str | None:
        given = [
            source
            for source in self._given.values()
            if source.notebook is None and _ends_alike(source.path, spot.path)
        ]
        same = [source.path for source in given if source.digest == spot.digest]
        if same:
            found = max(same, key=lambda path: _alike(path, spot.path))
            self._known.add(found)
            return found
        for folder in self._folders:
            real = os.path.realpath(os.path.join(folder, spot.path))
            if real in self._real:
                self._changed.add(self._real[real])
                return None
            if self._is_as_it_was(real, spot):
                return os.path.relpath(real).replace(os.sep, "/")
        self._changed.update(source.path for source in given if _alike(source.path, spot.path) > 1)
        return None

    def _is_as_it_was(self, path: str, spot: Spot) -> bool:
        """Say whether a file that was not given is still the one that was run."""
        if not project.is_file(path):
            return False
        data = project.read_bytes(path)
        return not isinstance(data, Problem) and project.digest(data) == spot.digest

    def _span(self, path: str, spot: Spot) -> Span:
        lines = self._lines_of(path)
        if spot.column is None or spot.end_column is None:
            end = lines[spot.end_line - 1].rstrip("\r\n") if spot.end_line <= len(lines) else ""
            return Span(path, spot.line, 0, spot.end_line, len(end))
        start = characters(lines, spot.line, spot.column)
        return Span(
            path, spot.line, start, spot.end_line, characters(lines, spot.end_line, spot.end_column)
        )

    def _lines_of(self, path: str) -> list[str]:
        if path not in self._lines:
            source = self._given.get(path) or project.read(path)
            text = source.text if isinstance(source, Source) else ""
            self._lines[path] = split_lines(text)
        return self._lines[path]


def _ends_alike(path: str, other: str) -> bool:
    return os.path.basename(path) == os.path.basename(other)


def _alike(path: str, other: str) -> int:
    """Return how many parts two paths have in common at their ends."""
    pairs = zip(reversed(path.split("/")), reversed(other.split("/")), strict=False)
    number = 0
    for one, two in pairs:
        if one != two:
            break
        number += 1
    return number
