"""The Reviewdog Diagnostic Format, one diagnostic to a line."""

from __future__ import annotations

import json

from fixgrad.report.entry import Report
from fixgrad.report.rdjson import diagnostics


def render(report: Report) -> str:
    """Return the report."""
    return "".join(f"{json.dumps(diagnostic)}\n" for diagnostic in diagnostics(report))
