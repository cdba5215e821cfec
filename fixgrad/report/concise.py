"""One line for each finding, as compilers write them: `path:line:column: code message`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixgrad.report.colour import harmless, paint
from fixgrad.report.entry import Entry
from fixgrad.source import Source


def render(entries: Sequence[Entry], sources: Mapping[str, Source], *, colour: bool) -> str:
    """Return the report."""
    return "".join(f"{_line(entry, colour)}\n" for entry in entries)


def _line(entry: Entry, colour: bool) -> str:
    finding = entry.finding
    place = paint(harmless(str(finding.span)), "bold", colour)
    star = paint("[*] ", "cyan", colour) if entry.fixable else ""
    return f"{place}: {paint(finding.rule, 'bold red', colour)} {star}{harmless(finding.message)}"
