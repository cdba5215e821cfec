"""Answers for programs: a list of objects, lines and columns from 1 as in the JSON report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fixgrad.explain.answer import Answer
from fixgrad.explain.ends import End
from fixgrad.explain.journey import Stage
from fixgrad.findings import Refusal, Repair
from fixgrad.report.json import place


def render(answers: Iterable[Answer]) -> str:
    """Return the answers as JSON."""
    return json.dumps([_row(answer) for answer in answers], indent=1) + "\n"


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "filename": answer.span.path,
        "cell": answer.span.cell,
        **place(answer.span),
        "verdict": answer.verdict,
        "message": answer.headline,
        **_outcome(answer.outcome),
        "path": [_stage(stage) for stage in answer.stages],
        "ends": [_end(end) for end in answer.ends],
        "notes": list(answer.notes),
    }


def _outcome(outcome: Repair | Refusal | None) -> dict[str, Any]:
    code = outcome.finding.rule if outcome is not None else None
    refusal = None
    if isinstance(outcome, Refusal):
        refusal = {"code": outcome.code, "reason": outcome.reason}
    level = str(outcome.applicability) if isinstance(outcome, Repair) else None
    return {"code": code, "applicability": level, "refusal": refusal}


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "filename": stage.span.path,
        "cell": stage.span.cell,
        **place(stage.span),
        "effect": stage.effect,
        "message": stage.what,
    }


def _end(end: End) -> dict[str, Any]:
    return {
        "filename": end.span.path,
        "cell": end.span.cell,
        **place(end.span),
        "kind": end.kind,
        "message": end.what,
        "effects": sorted(end.effects - {"made"}),
        "path": [_stage(stage) for stage in end.stages],
    }
