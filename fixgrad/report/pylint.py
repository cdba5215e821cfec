"""One line for each finding as pylint's parseable output has it, which many older programs read."""

from __future__ import annotations

from fixgrad.report.colour import harmless
from fixgrad.report.entry import Report
from fixgrad.report.physical import problem_region, region


def render(report: Report) -> str:
    """Return the report; lines of a notebook are those of its file."""
    lines = [
        _line(e.finding.span.path, region(e.finding.span, report.sources).line, e.finding.rule,
              e.finding.message)
        for e in report.entries
    ]  # fmt: skip
    for problem in report.problems:
        place = problem_region(problem, report.sources)
        lines.append(_line(problem.path, place.line if place else 1, "E", problem.message))
    return "".join(f"{line}\n" for line in lines)


def _line(path: str, line: int, code: str, message: str) -> str:
    return f"{harmless(path)}:{line}: [{code}] {harmless(message)}"
