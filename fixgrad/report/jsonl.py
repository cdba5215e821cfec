"""The report for programs that read line by line: an object for each finding, no list around."""

from __future__ import annotations

from fixgrad.report.entry import Report
from fixgrad.report.json import json_lines


def render(report: Report) -> str:
    """Return the report."""
    return "".join(f"{line}\n" for line in json_lines(report))
