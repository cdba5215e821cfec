"""The Code Quality report of GitLab, shown in merge requests."""

from __future__ import annotations

import json
from _blake2 import blake2b
from typing import Any

from fixgrad.findings import Refusal
from fixgrad.report.entry import Entry, Report
from fixgrad.report.fingerprint import fingerprints
from fixgrad.report.physical import Region, printable, problem_region, region, repository_names

_NOWHERE = Region(1, 1, 1, 1)


def render(report: Report) -> str:
    """Return the report; paths are seen from the top of the repository."""
    names = repository_names(report)
    prints = fingerprints([entry.finding for entry in report.entries], report.sources)
    issues = [
        _issue(
            entry.finding.rule, _description(entry), "minor" if _is_refused(entry) else "major",
            fingerprint, names[entry.finding.span.path], region(entry.finding.span, report.sources),
        )
        for entry, fingerprint in zip(report.entries, prints, strict=True)
    ]  # fmt: skip
    for problem in report.problems:
        path = names[problem.path]
        at = problem_region(problem, report.sources) or _NOWHERE
        key = f"{path}\0{problem.message}".encode("utf-8", "surrogateescape")
        name = blake2b(key, digest_size=8).hexdigest()
        issues.append(_issue("problem", problem.message, "blocker", name, path, at))
    return json.dumps(issues, indent=1) + "\n"


def _is_refused(entry: Entry) -> bool:
    return isinstance(entry.outcome, Refusal)


def _description(entry: Entry) -> str:
    finding, outcome = entry.finding, entry.outcome
    runs = f"; runs: {entry.evidence}" if entry.evidence is not None else ""
    if isinstance(outcome, Refusal):
        left = f"left alone: {outcome.code} {outcome.reason}{runs}"
        return f"{finding.rule}: {finding.message} ({left})"
    return f"{finding.rule}: {finding.message} (repair: {outcome.title}, {entry.tag}{runs})"


def _issue(
    check: str, description: str, severity: str, fingerprint: str, path: str, at: Region
) -> dict[str, Any]:
    return {
        "check_name": check,
        "description": printable(description),
        "severity": severity,
        "fingerprint": fingerprint,
        "location": {
            "path": printable(path),
            "positions": {
                "begin": {"line": at.line, "column": at.column},
                "end": {"line": at.end_line, "column": at.end_column},
            },
        },
    }
