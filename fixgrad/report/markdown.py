"""Markdown for a comment on a pull request: a table, and each finding with its diff to unfold."""

from __future__ import annotations

import html
import re

from fixgrad.findings import Applicability, Refusal, Step
from fixgrad.report.colour import harmless
from fixgrad.report.entry import Entry, Report
from fixgrad.report.excerpt import excerpt
from fixgrad.report.physical import printable
from fixgrad.report.summary import summary

LONGEST = 60_000  # characters: GitHub takes 65 536 in a comment


def render(report: Report) -> str:
    """Return the report; what a comment has no room for is counted."""
    head = f"### fixgrad: {summary(report.entries, files=report.files)}\n"
    parts = [head, *(f"- :warning: {_code(str(problem))}\n" for problem in report.problems)]
    left = LONGEST - sum(map(len, parts))
    for number, entry in enumerate(report.entries):
        text = _details(entry, report)
        if len(text) > left:
            parts.append(f"\nand {len(report.entries) - number} more, for which there is no room\n")
            break
        left -= len(text)
        parts.append(text)
    if any(entry.fixable for entry in report.entries):
        parts.append("\n`fixgrad --fix` applies what is marked :wrench:.\n")
    return printable("".join(parts))


def _details(entry: Entry, report: Report) -> str:
    finding, outcome = entry.finding, entry.outcome
    mark = ":wrench: " if entry.fixable else ""
    said = f"<b>{finding.rule}</b> {_inline(finding.message)}"
    where = f"<code>{html.escape(harmless(str(finding.span)))}</code>"
    parts = [f"\n<details>\n<summary>{mark}{where} {said} ({entry.tag})</summary>\n"]
    steps = [step for step in finding.trace if step.what]
    parts.append("\n".join(_step(n, step, report) for n, step in enumerate(steps, 1)))
    if entry.evidence is not None:
        parts.append(f"\nRuns: {_escaped(str(entry.evidence))}.")
    if isinstance(outcome, Refusal):
        parts.append(f"\nLeft alone: {outcome.code} {_escaped(outcome.reason)}.")
    else:
        kind = "Suggestion" if outcome.applicability is Applicability.DISPLAY else "Repair"
        hint = ", needs `--unsafe-fixes`" if entry.waits_for_unsafe else ""
        parts.append(f"\n{kind}: {_escaped(outcome.title)} ({entry.tag}{hint}).")
        if entry.diff:
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", entry.diff)), default=0))
            diff = "\n".join(map(harmless, entry.diff.rstrip("\n").split("\n")))
            parts.append(f"\n{fence}diff\n{diff}\n{fence}")
    return "\n".join([*parts, "\n</details>\n"])


def _step(number: int, step: Step, report: Report) -> str:
    source = report.sources.get(step.span.path)
    found = excerpt(step.span, source.shown() if source is not None else ())
    shown = f": {_code(found.text)}" if found is not None else ""
    return f"{number}. {_code(str(step.span))} {_escaped(step.what)}{shown}"


def _code(text: str) -> str:
    """Return a text as a code span, whatever is in it."""
    text = harmless(text).replace("\t", "    ")
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text[:1] in ("`", "") or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _escaped(text: str) -> str:
    """Return a message with its code spans, all else taken as it stands."""
    pieces = harmless(text).split("`")
    pieces[::2] = [re.sub(r"([\\*_<>\[\]|#~&])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _inline(text: str) -> str:
    """Return a message as HTML."""
    pieces = html.escape(harmless(text)).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(pieces))
