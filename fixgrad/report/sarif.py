"""SARIF 2.1.0, which GitHub code scanning and many editors take: paths, fixes, rule help."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from fixgrad import __version__, catalogue
from fixgrad.catalogue import Rule
from fixgrad.findings import CALL, DEMAND, MADE, WRONG, Refusal, Step
from fixgrad.report.entry import Entry, Report
from fixgrad.report.fingerprint import fingerprints
from fixgrad.report.json import evidence
from fixgrad.report.physical import Region, printable, problem_region, region, repository_names
from fixgrad.source import Problem, Span

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "%SRCROOT%"
_RANKS = {"high": 90.0, "medium": 60.0, "low": 30.0}
_IMPORTANCE = {MADE: "essential", DEMAND: "essential", WRONG: "essential", CALL: "important"}


def render(report: Report) -> str:
    """Return the log; paths are seen from the top of the repository, columns count characters."""
    return json.dumps(_log(report), indent=1) + "\n"


def _log(report: Report) -> dict[str, Any]:
    known = catalogue.rules()
    numbers = {rule.code: number for number, rule in enumerate(known)}
    places = _Places(report)
    prints = fingerprints([entry.finding for entry in report.entries], report.sources)
    driver = {
        "name": "fixgrad",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in known],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the top of the repository"}}},
        "invocations": [_invocation(report.problems, places)],
        "results": [
            _result(entry, numbers, places, fingerprint)
            for entry, fingerprint in zip(report.entries, prints, strict=True)
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


class _Places:
    """Places of a report as SARIF writes them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._names = repository_names(report)
        self.are_new = report.baseline  # the findings that are reported
        self._lines: dict[str, list[str]] = {}

    def artifact(self, path: str) -> dict[str, Any]:
        name = self._names.get(path, path).encode("utf-8", "surrogateescape")
        return {"uri": quote(name, safe="/~!$&'()*+,;=@"), "uriBaseId": _ROOT}

    def physical(self, span: Span) -> dict[str, Any]:
        at: dict[str, Any] = _region(region(span, self._report.sources))
        text = self._text(span)
        if text:
            at["snippet"] = {"text": printable(text)}
        return {"artifactLocation": self.artifact(span.path), "region": at}

    def _text(self, span: Span) -> str:
        """Return what stands there, for who does not have the file."""
        source = self._report.sources.get(span.path)
        if source is None or source.notebook is not None:
            return ""
        if span.path not in self._lines:
            self._lines[span.path] = source.lines()
        lines = self._lines[span.path][span.line - 1 : span.end_line]
        if not lines:
            return ""
        after = len(lines[-1]) - span.end_column
        text = "".join(lines)
        return text[span.column : len(text) - after]

    def problem(self, problem: Problem) -> Region | None:
        return problem_region(problem, self._report.sources)


def _region(at: Region) -> dict[str, int]:
    line, column, end_line, end_column = at
    return {
        "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
    }  # fmt: skip


def _rule(rule: Rule) -> dict[str, Any]:
    first, _, rest = rule.text.partition("\n")
    found: dict[str, Any] = {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": _plain(first)},
        "fullDescription": {"text": _plain(_section(rest, "What it finds") or first)},
        "help": {"text": _plain(rule.text), "markdown": rule.text},
        "defaultConfiguration": {"level": "warning"},
        "properties": {
            "precision": "high",
            "problem.severity": "warning",
            "tags": ["pytorch", "numpy", "autograd"],
        },
    }
    links = re.findall(r"https://\S+", _section(rest, "References"))
    return found | ({"helpUri": links[0]} if links else {})


def _section(text: str, heading: str) -> str:
    found = re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", text)
    return found[1].strip() if found else ""


def _plain(text: str) -> str:
    return re.sub(r"(?m)^## |^```.*\n?|`", "", text).strip()


def _result(
    entry: Entry, numbers: dict[str, int], places: _Places, fingerprint: str
) -> dict[str, Any]:
    finding, outcome = entry.finding, entry.outcome
    text = finding.message
    if isinstance(outcome, Refusal):
        text = f"{text}\nLeft alone: {outcome.code} {outcome.reason}"
    found: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": "note" if isinstance(outcome, Refusal) else "warning",
        "rank": _RANKS.get(finding.confidence, 50.0),
        "message": {"text": printable(_plain(text)), "markdown": printable(text)},
        "locations": [{"physicalLocation": places.physical(finding.span)}],
        "partialFingerprints": {"fixgrad/v1": fingerprint},
        "properties": _properties(entry),
    }
    if finding.rule in numbers:
        found["ruleIndex"] = numbers[finding.rule]
    if finding.trace:
        flow = map(partial(_flow_location, places), range(1, len(finding.trace) + 1), finding.trace)
        found["codeFlows"] = [{"threadFlows": [{"locations": list(flow)}]}]
    if places.are_new:
        found["baselineState"] = "new"
    fix = _fix(entry, places)
    return found | ({"fixes": [fix]} if fix else {})


def _properties(entry: Entry) -> dict[str, Any]:
    outcome = entry.outcome
    found = {"confidence": entry.finding.confidence, **evidence(entry)}
    if isinstance(outcome, Refusal):
        refusal = {"code": outcome.code, "reason": printable(outcome.reason)}
        return {**found, "refusal": refusal}
    return {**found, "safety": entry.tag}


def _flow_location(places: _Places, number: int, step: Step) -> dict[str, Any]:
    return {
        "location": {
            "physicalLocation": places.physical(step.span),
            "message": {"text": printable(step.what) or "here"},
        },
        "executionOrder": number,
        "importance": _IMPORTANCE.get(step.effect, "unimportant"),
        "properties": {"effect": step.effect},
    }


def _fix(entry: Entry, places: _Places) -> dict[str, Any] | None:
    """Return the repair as replacements, in a notebook of its JSON."""
    if isinstance(entry.outcome, Refusal) or not entry.edits:
        return None
    paths = list(dict.fromkeys(edit.span.path for edit in entry.file_edits))
    changes = [
        {
            "artifactLocation": places.artifact(path),
            "replacements": [
                {
                    "deletedRegion": _region(
                        Region(s.line, s.column + 1, s.end_line, s.end_column + 1)
                    ),
                    "insertedContent": {"text": printable(text)},
                }
                for s, text in entry.file_edits
                if s.path == path
            ],
        }
        for path in paths
    ]
    return {"description": {"text": entry.outcome.title}, "artifactChanges": changes}


def _invocation(problems: Iterable[Problem], places: _Places) -> dict[str, Any]:
    found: dict[str, Any] = {"executionSuccessful": not problems}
    told = [_notification(problem, places) for problem in problems]
    return found | ({"toolExecutionNotifications": told} if told else {})


def _notification(problem: Problem, places: _Places) -> dict[str, Any]:
    where: dict[str, Any] = {"artifactLocation": places.artifact(problem.path)}
    at = places.problem(problem)
    if at is not None:
        where["region"] = {"startLine": at.line, "startColumn": at.column}
    return {
        "level": "error",
        "message": {"text": printable(problem.message)},
        "locations": [{"physicalLocation": where}],
    }
