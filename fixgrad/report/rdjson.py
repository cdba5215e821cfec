"""The Reviewdog Diagnostic Format, as one object: comments and suggestions in pull requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from fixgrad.edits import Edit
from fixgrad.findings import Refusal
from fixgrad.report.entry import Entry, Report
from fixgrad.report.physical import Region, file_lines, printable, problem_region, region
from fixgrad.source import Problem, Span, split_lines

_MOST_LINES = 20  # of one suggestion
_SOURCE = {"name": "fixgrad"}


def render(report: Report) -> str:
    """Return the report."""
    whole = {"source": _SOURCE, "severity": "WARNING", "diagnostics": list(diagnostics(report))}
    return json.dumps(whole) + "\n"


def diagnostics(report: Report) -> Iterator[dict[str, Any]]:
    """Yield each finding and each problem as a Diagnostic; paths are as given to fixgrad.

    Columns count bytes of UTF-8, as the format asks.
    """
    lines = {path: file_lines(source) for path, source in report.sources.items()}
    for entry in report.entries:
        yield _diagnostic(entry, report, lines)
    for problem in report.problems:
        yield {
            "message": printable(problem.message),
            "location": {"path": printable(problem.path), **_at(problem, report)},
            "severity": "ERROR",
            "source": _SOURCE,
        }


def _at(problem: Problem, report: Report) -> dict[str, Any]:
    at = problem_region(problem, report.sources)
    return {"range": {"start": {"line": at.line, "column": at.column}}} if at else {}


def _diagnostic(entry: Entry, report: Report, lines: dict[str, list[str]]) -> dict[str, Any]:
    finding, outcome = entry.finding, entry.outcome
    left = f"\nleft alone: {outcome.code} {outcome.reason}" if isinstance(outcome, Refusal) else ""
    runs = f"\nruns: {entry.evidence}" if entry.evidence is not None else ""
    found: dict[str, Any] = {
        "message": printable(finding.message + left + runs),
        "location": _location(finding.span, report, lines),
        "severity": "INFO" if left else "WARNING",
        "source": _SOURCE,
        "code": {"value": finding.rule},
    }
    related = [
        {"message": printable(step.what), "location": _location(step.span, report, lines)}
        for step in finding.trace
        if step.span != finding.span
    ]
    if related:
        found["related_locations"] = related
    suggestions = _suggestions(entry.file_edits, finding.span.path, lines)
    if suggestions:
        found["suggestions"] = suggestions
    return found


def _suggestions(
    edits: Sequence[Edit], path: str, lines: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Return the repair as one suggestion, of whole lines, or none.

    Each suggestion of the format is accepted by itself, and half a repair is none: so nothing is
    suggested where the edits are in several files or too far apart.
    """
    if path not in lines or not edits or {edit.span.path for edit in edits} != {path}:
        return []
    first = min(edit.span.line for edit in edits)
    last = min(max(edit.span.end_line for edit in edits), len(lines[path]))
    if last - first >= _MOST_LINES:
        return []
    text = _edited(lines[path], first, last, edits)
    return [{"range": {"start": {"line": first}, "end": {"line": last}}, "text": printable(text)}]


def _edited(lines: Sequence[str], first: int, last: int, edits: Sequence[Edit]) -> str:
    """Return the lines after the edits, without the last newline."""
    starts = [0, *accumulate(map(len, lines[first - 1 : last]))]
    old, new, at = "".join(lines[first - 1 : last]), "", 0
    for span, text in sorted(edits):
        start = starts[span.line - first] + span.column
        new += old[at:start] + text
        at = starts[span.end_line - first] + span.end_column
    return "\n".join(line.rstrip("\r\n") for line in split_lines(new + old[at:]))


def _location(span: Span, report: Report, lines: dict[str, list[str]]) -> dict[str, Any]:
    return {"path": printable(span.path), "range": _range(span, report, lines)}


def _range(span: Span, report: Report, lines: dict[str, list[str]]) -> dict[str, Any]:
    at = region(span, report.sources)
    if span.path in lines:
        at = _in_bytes(at, lines[span.path])
    return {
        "start": {"line": at.line, "column": at.column},
        "end": {"line": at.end_line, "column": at.end_column},
    }


def _in_bytes(at: Region, lines: Sequence[str]) -> Region:
    def column(line: int, characters: int) -> int:
        text = lines[line - 1] if line <= len(lines) else ""
        return len(text[: characters - 1].encode("utf-8", "surrogatepass")) + 1

    return at._replace(
        column=column(at.line, at.column), end_column=column(at.end_line, at.end_column)
    )
