"""One line for each finding, as compilers write them: `path:line:column: code message`."""

from __future__ import annotations

from fixgrad.report.colour import harmless, paint
from fixgrad.report.entry import Entry, Report


def render(report: Report) -> str:
    """Return the report; each step of the paths below its finding, where they are wanted."""
    lines = []
    for entry in report.entries:
        lines.append(_line(entry, report.colour))
        for step in entry.finding.trace if report.paths else ():
            place = paint(harmless(str(step.span)), "cyan", report.colour)
            lines.append(f"    {place}: {harmless(step.what)}")
    return "".join(f"{line}\n" for line in lines)


def _line(entry: Entry, colour: bool) -> str:
    finding = entry.finding
    place = paint(harmless(str(finding.span)), "bold", colour)
    star = paint("[*] ", "cyan", colour) if entry.fixable else ""
    word = f" [{entry.evidence.word or 'not known'}]" if entry.evidence is not None else ""
    rule = paint(finding.rule, "bold red", colour)
    return f"{place}: {rule} {star}{harmless(finding.message)}{word}"
