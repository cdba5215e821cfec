"""Annotations for GitHub Actions: workflow commands, which a log line makes an annotation of."""

from __future__ import annotations

from fixgrad.findings import Refusal
from fixgrad.report.colour import harmless
from fixgrad.report.entry import Entry, Report
from fixgrad.report.physical import Region, problem_region, region, repository_names


def render(report: Report) -> str:
    """Return the report; paths are seen from the top of the repository, as GitHub wants them."""
    names = repository_names(report)
    lines = [
        _command("warning", names[e.finding.span.path], region(e.finding.span, report.sources),
                 f"fixgrad ({e.finding.rule})", _message(e))
        for e in report.entries
    ]  # fmt: skip
    for problem in report.problems:
        place = problem_region(problem, report.sources)
        lines.append(_command("error", names[problem.path], place, "fixgrad", problem.message))
    return "".join(f"{line}\n" for line in lines)


def _message(entry: Entry) -> str:
    finding, outcome = entry.finding, entry.outcome
    steps = [f"{step.span}: {step.what}" for step in finding.trace if step.what]
    last = f"repair: {outcome.title} ({entry.tag})" if not isinstance(outcome, Refusal) else ""
    if isinstance(outcome, Refusal):
        last = f"left alone: {outcome.code} {outcome.reason}"
    path = steps if len(steps) > 1 else []
    path += [f"runs: {entry.evidence}"] if entry.evidence is not None else []
    return "\n".join([f"{finding.rule} {finding.message}", *path, last])


def _command(kind: str, path: str, place: Region | None, title: str, message: str) -> str:
    properties = {"title": title, "file": path}
    if place is not None:
        properties |= {"line": str(place.line), "endLine": str(place.end_line)}
        if place.line == place.end_line:  # GitHub takes columns within one line only
            properties |= {"col": str(place.column), "endColumn": str(place.end_column)}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {given}::{_data(message)}"


def _data(text: str) -> str:
    """Escape as a workflow command wants its message."""
    text = "\n".join(map(harmless, text.split("\n")))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
