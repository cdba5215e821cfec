"""Issues for Azure Pipelines: logging commands, which the log of a task makes issues of."""

from __future__ import annotations

from fixgrad.findings import Refusal
from fixgrad.report.colour import harmless
from fixgrad.report.entry import Entry, Report
from fixgrad.report.physical import Region, problem_region, region, repository_names

_ESCAPES = (("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTIES = ((";", "%3B"), ("]", "%5D"))


def render(report: Report) -> str:
    """Return the report; paths are seen from the top of the repository, columns count from 1."""
    names = repository_names(report)
    lines = []
    for entry in report.entries:
        finding = entry.finding
        place = region(finding.span, report.sources)
        path = names[finding.span.path]
        lines.append(_command("warning", path, place, finding.rule, _message(entry)))
    for problem in report.problems:
        where = problem_region(problem, report.sources)
        lines.append(_command("error", names[problem.path], where, "", problem.message))
    return "".join(f"{line}\n" for line in lines)


def _message(entry: Entry) -> str:
    outcome = entry.outcome
    if isinstance(outcome, Refusal):
        return f"{entry.finding.message} (left alone: {outcome.code} {outcome.reason})"
    return f"{entry.finding.message} ({outcome.title}, {entry.tag})"


def _command(kind: str, path: str, place: Region | None, code: str, message: str) -> str:
    properties = {"type": kind, "sourcepath": path}
    if place is not None:
        properties |= {"linenumber": str(place.line), "columnnumber": str(place.column)}
    properties |= {"code": code} if code else {}
    escapes = (*_ESCAPES, *_IN_PROPERTIES)
    given = "".join(f"{name}={_escaped(value, escapes)};" for name, value in properties.items())
    return f"##vso[task.logissue {given}]{_escaped(message, _ESCAPES)}"


def _escaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    text = "\n".join(map(harmless, text.split("\n")))
    for character, code in escapes:
        text = text.replace(character, code)
    return text
