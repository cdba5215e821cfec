"""The report for programs: a list of findings, one to a line."""

from __future__ import annotations

import json
from _blake2 import blake2b
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fixgrad.findings import Finding, Refusal
from fixgrad.report.entry import Entry
from fixgrad.source import Source, Span

_KINDS = {"made here": "source", "demanded here": "sink"}


def render(entries: Sequence[Entry], sources: Mapping[str, Source], *, colour: bool) -> str:
    """Return the report; lines and columns count from 1, columns in characters, lines of a
    notebook in their cell."""
    seen: Counter[str] = Counter()
    lines = {path: source.lines() for path, source in sources.items() if _has(entries, path)}
    rows = [json.dumps(_row(entry, lines, seen), ensure_ascii=True) for entry in entries]
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def _has(entries: Sequence[Entry], path: str) -> bool:
    return any(entry.finding.span.path == path for entry in entries)


def _row(entry: Entry, lines: Mapping[str, Sequence[str]], seen: Counter[str]) -> dict[str, Any]:
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
                "kind": _KINDS.get(step.what, "step"),
                "message": step.what,
            }
            for step in finding.trace
        ],
        **_outcome(entry),
        "fingerprint": _fingerprint(finding, lines, seen),
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


def place(span: Span) -> dict[str, dict[str, int]]:
    first, last = span.rows
    return {
        "location": {"row": first, "column": span.column + 1},
        "end_location": {"row": last, "column": span.end_column + 1},
    }


def _fingerprint(finding: Finding, lines: Mapping[str, Sequence[str]], seen: Counter[str]) -> str:
    """Name a finding by what stands there, so that lines added above do not rename it."""
    text = "".join(lines.get(finding.span.path, ())[finding.span.line - 1 : finding.span.end_line])
    key = "\0".join((finding.rule, finding.span.path, " ".join(text.split())))
    seen[key] += 1
    data = f"{key}\0{seen[key]}".encode("utf-8", "surrogateescape")
    return blake2b(data, digest_size=8).hexdigest()
