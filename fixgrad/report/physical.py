"""Places as who reads the file, not the code, counts them: in a notebook, lines of its JSON.

Formats for machines that show files (GitHub, GitLab, SARIF viewers, reviewdog) need these.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from fixgrad.project import patch_paths
from fixgrad.report.entry import Report
from fixgrad.source import Cell, Notebook, Problem, Source, Span, split_lines


class Region(NamedTuple):
    """A half-open stretch of a file; lines and columns count from 1, columns in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


def region(span: Span, sources: Mapping[str, Source]) -> Region:
    """Return where a span stands in its file."""
    source = sources.get(span.path)
    if source is None or source.notebook is None:
        line, end_line = span.rows
        return Region(line, span.column + 1, end_line, span.end_column + 1)
    first = _in_json(source.notebook, span.line, span.column)
    return Region(*first, *_in_json(source.notebook, span.end_line, span.end_column))


def file_lines(source: Source) -> list[str]:
    """Return the lines of the file, of a notebook those of its JSON."""
    return source.lines() if source.notebook is None else split_lines(source.notebook.json)


def problem_region(problem: Problem, sources: Mapping[str, Source]) -> Region | None:
    """Return where a problem stands in its file, or None where no line is known."""
    line, column = problem.line, problem.column
    return region(Span(problem.path, line, column, line, column), sources) if line else None


def repository_names(report: Report) -> dict[str, str]:
    """Return the files of a report as the repository names them: from its top, forward slashes."""
    entries = report.entries
    steps = (step.span.path for entry in entries for step in entry.finding.trace)
    edits = (edit.span.path for entry in entries for edit in entry.edits)
    problems = (problem.path for problem in report.problems)
    found = (*(entry.finding.span.path for entry in entries), *steps, *edits, *problems)
    return patch_paths(dict.fromkeys(found))


def printable(text: str) -> str:
    """Return a text that can be written as UTF-8 whatever its bytes were."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _in_json(notebook: Notebook, line: int, column: int) -> tuple[int, int]:
    """Return the line and the column of a place in a cell, both from 1, in the notebook's JSON."""
    cell = notebook.cell_at(line)
    if cell is None or not cell.tokens:
        return 1, 1
    offset = _offset(cell, line - cell.line + 1, column)
    ends = list(accumulate(len(token.text) for token in cell.tokens))
    number = next((n for n, end in enumerate(ends) if offset < end), len(ends) - 1)
    token = cell.tokens[number]
    at = token.offset(notebook.json, offset - (ends[number] - len(token.text)))
    return notebook.json.count("\n", 0, at) + 1, at - notebook.json.rfind("\n", 0, at)


def _offset(cell: Cell, row: int, column: int) -> int:
    lines = split_lines(cell.text)
    return sum(map(len, lines[: row - 1])) + column
