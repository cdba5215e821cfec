"""The report for programs: a list of findings, one to a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fixgrad.findings import DEMAND, MADE, WRONG, Refusal
from fixgrad.report.entry import Entry, Report
from fixgrad.report.fingerprint import fingerprints
from fixgrad.source import Span

_KINDS = {MADE: "source", DEMAND: "sink", WRONG: "sink"}


def render(report: Report) -> str:
    """Return the report; lines and columns count from 1, columns in characters, lines of a
    notebook in their cell."""
    lines = list(json_lines(report))
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def json_lines(report: Report) -> Iterator[str]:
    """Yield each finding as an object on one line."""
    names = fingerprints([entry.finding for entry in report.entries], report.sources)
    for entry, fingerprint in zip(report.entries, names, strict=True):
        yield json.dumps(_row(entry) | {"fingerprint": fingerprint}, ensure_ascii=True)


def _row(entry: Entry) -> dict[str, Any]:
    finding = entry.finding
    return {
        "code": finding.rule,
        "message": finding.message,
        "filename": finding.span.path,
        "cell": finding.span.cell,
        **place(finding.span),
        "confidence": finding.confidence,
        "path": [
            {
                "filename": step.span.path,
                "cell": step.span.cell,
                **place(step.span)["location"],
                "kind": _KINDS.get(step.effect, "step"),
                "effect": step.effect,
                "message": step.what,
            }
            for step in finding.trace
        ],
        **_outcome(entry),
        **evidence(entry),
    }


def _outcome(entry: Entry) -> dict[str, Any]:
    outcome = entry.outcome
    if isinstance(outcome, Refusal):
        return {"fix": None, "refusal": {"code": outcome.code, "reason": outcome.reason}}
    edits = [
        {
            "filename": edit.span.path,
            "cell": edit.span.cell,
            "content": edit.text,
            **place(edit.span),
        }
        for edit in entry.edits
    ]
    fix = {"applicability": entry.tag, "message": outcome.title, "edits": edits}
    return {"fix": fix, "refusal": None}


def evidence(entry: Entry) -> dict[str, Any]:
    """Return what recorded runs say of a finding; nothing where none were asked."""
    if entry.evidence is None:
        return {}
    word, said = entry.evidence
    return {"evidence": {"verdict": word or None, "observations": list(said)}}


def place(span: Span) -> dict[str, dict[str, int]]:
    """Return where a span begins and ends."""
    first, last = span.rows
    return {
        "location": {"row": first, "column": span.column + 1},
        "end_location": {"row": last, "column": span.end_column + 1},
    }
