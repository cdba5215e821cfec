"""From what the user types, `train.py:12:9`, to the files to read and the place that is meant."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from fixgrad import project
from fixgrad.edits import Operation
from fixgrad.errors import FixgradError
from fixgrad.explain.answer import Answer
from fixgrad.findings import Repair
from fixgrad.source import Problem, Source

_PLACE = re.compile(
    r"(?P<path>.+?):(?:cell (?P<cell>[0-9]+):)?(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?:?",
    re.DOTALL,
)


class Place(NamedTuple):
    """A line of a file, or a column of it."""

    path: str
    line: int  # in the cell, where one is given
    column: int | None  # from 0
    cell: int | None = None  # of a notebook, as the report names it: "cell 3:2"


class Files(NamedTuple):
    """The file that is asked about, and all that is read with it."""

    path: str  # as the sources name it
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]


def place_of(text: str) -> Place:
    """Read FILE:LINE[:COLUMN] or, in a notebook, FILE:cell NUMBER:LINE[:COLUMN]."""
    match = _PLACE.fullmatch(text)
    if match is None or int(match["line"]) == 0 or match["column"] == "0":
        raise FixgradError(f"{text}: give a place as FILE:LINE or FILE:LINE:COLUMN, both from 1")
    column, cell = match["column"], match["cell"]
    return Place(
        match["path"],
        int(match["line"]),
        int(column) - 1 if column else None,
        int(cell) if cell else None,
    )


def read(
    path: str,
    paths: Sequence[str],
    exclude: Sequence[str | project.Glob] = (),
    words: Sequence[str] = (),
) -> Files:
    """Read a file and what is to be known beside it: `paths`, else the current folder around it."""
    real = os.path.realpath(path)
    inside = real.startswith(os.path.realpath(".").rstrip(os.sep) + os.sep)
    around = tuple(paths) or ((".",) if inside else ())
    files = project.find_files((path, *around), exclude=exclude)
    shown = next((found for found in files if os.path.realpath(found) == real), None)
    if shown is None:
        raise FixgradError(f"{path}: not a Python file that is looked at; check the path")
    sources, problems = project.read_all(files, words=words)
    own = [problem for problem in problems if problem.path == shown]
    if own:
        raise FixgradError(str(own[0]))
    return Files(shown, tuple(sources), tuple(problems))


def line_of(files: Files, place: Place) -> int:
    """Return the line of the text that is meant; complain of one that the file does not have."""
    source = next((s for s in files.sources if s.path == files.path), None)
    if source is None:
        return place.line
    line, last, lines = place.line, len(source.lines()), source.lines()
    if source.notebook is not None:
        cell = next((c for c in source.notebook.cells if c.number == place.cell), None)
        if cell is None:
            raise FixgradError(f"{files.path}: give a line of a notebook as FILE:cell NUMBER:LINE")
        line, last = cell.line + place.line - 1, cell.height
    if place.line > last:
        raise FixgradError(f"{files.path}: there is no line {place.line}, only {last}")
    width = len(lines[line - 1].rstrip("\r\n"))
    if place.column is not None and place.column >= max(width, 1):
        raise FixgradError(f"{files.path}:{place.line}: there is no column {place.column + 1}")
    return line


def diff_of(answer: Answer, sources: dict[str, Source]) -> str:
    """Return what the repair of an answer changes, as a diff, or nothing."""
    if not isinstance(answer.outcome, Repair):
        return ""
    from fixgrad.rewrite import RewriteRefused, rewrite  # noqa: PLC0415  (it loads libcst)
    from fixgrad.rewrite.diff import unified  # noqa: PLC0415
    from fixgrad.rewrite.notebooks import as_read  # noqa: PLC0415

    operations: dict[str, dict[Operation, None]] = {}
    for operation in answer.outcome.operations:
        operations.setdefault(operation.span.path, {})[operation] = None
    try:
        patches = [
            part
            for path in sorted(operations)
            for part in as_read(sources[path], rewrite(sources[path], tuple(operations[path])))
        ]
    except RewriteRefused:
        return ""
    return "".join(unified(patch) for patch in patches)
