"""What a user edits of a file that a repair changes: its whole text, or of a notebook the cells that change."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.flow.lower import lower
from fixgrad.project import decode
from fixgrad.rewrite.notebooks import cell_patches, with_cells
from fixgrad.source import Problem, Source

_MARK = re.compile(r"^# %% cell (\d+)[ \t]*(?:\r\n|\r|\n|\Z)", re.MULTILINE)


class Editing(NamedTuple):
    """A file with its repair, for an editor."""

    source: Source
    patch: Patch

    @property
    def name(self) -> str:
        """Return the name under which an editor knows what it holds."""
        name = os.path.basename(self.source.path)
        return name if self.source.notebook is None else f"{name}.py"

    def text(self) -> str:
        """Return what is edited; each cell of a notebook stands below a line with its number."""
        if self.source.notebook is None:
            return self.patch.after
        cells = self._cells().items()
        return "".join(f"# %% cell {number}\n{_closed(text)}" for number, text in cells)

    def taken(self, text: str) -> tuple[Source, Patch] | Problem:
        """Return the file as it was edited, or what is wrong with it."""
        source = self.source
        if source.notebook is None:
            wrong = lower(source._replace(text=text))
            edited = self.patch._replace(after=text, edits=())
            return wrong if isinstance(wrong, Problem) else (source, edited)
        cells = self._parted(text)
        if cells is None:
            reason = "the lines `# %% cell` part the cells: keep each of them where it is"
            return Problem(source.path, 0, 0, reason)
        json = with_cells(source, cells)
        again = decode(source.path, json.encode())
        wrong = again if isinstance(again, Problem) else lower(again)
        if isinstance(wrong, Problem):
            return wrong
        # From here on it is a file like any other: its JSON.
        plain = source._replace(text=source.notebook.json, notebook=None)
        return plain, Patch(source.path, plain.text, json, ())

    def _cells(self) -> dict[int, str]:
        parts = cell_patches(self.source, self.patch)
        return {cell.number: part.after for cell, part in sorted(parts, key=lambda p: p[0].number)}

    def _parted(self, text: str) -> dict[int, str] | None:
        cells = self._cells()
        marks = list(_MARK.finditer(text))
        if [int(mark[1]) for mark in marks] != list(cells) or text[: marks[0].start()].strip():
            return None
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        found = {}
        for (number, before), mark, end in zip(cells.items(), marks, ends, strict=True):
            new = text[mark.end() : end]
            added = _closed(before) != before  # the newline that the cell does not have
            found[number] = new.removesuffix("\n") if added else new
        return found


def _closed(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
