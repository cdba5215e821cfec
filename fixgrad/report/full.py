"""Each finding with its path through the code, and the repair as a diff.

train.py:12:9 FG102 [*] tensor from NumPy reaches SGD but never requires grad  (safe, high)
  1. train.py:12:9 made here
     theta = torch.from_numpy(start)
             ^^^^^^^^^^^^^^^^^^^^^^^
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from fixgrad.findings import Applicability, Refusal, Step
from fixgrad.report.colour import harmless, paint
from fixgrad.report.entry import Entry
from fixgrad.source import Source, Span

_WIDEST = 160  # columns of a source line that are shown
_INDENT = " " * 5


def render(entries: Sequence[Entry], sources: Mapping[str, Source], *, colour: bool) -> str:
    """Return the report, one paragraph for each finding."""
    lines = {path: source.shown() for path, source in _needed(entries, sources).items()}
    return "\n".join(f"{_paragraph(entry, lines, colour)}\n" for entry in entries)


def _needed(entries: Sequence[Entry], sources: Mapping[str, Source]) -> dict[str, Source]:
    paths = {step.span.path for entry in entries for step in _steps(entry)}
    return {path: sources[path] for path in sorted(paths) if path in sources}


def _steps(entry: Entry) -> Sequence[Step]:
    return entry.finding.trace or (Step(entry.finding.span, ""),)


def _paragraph(entry: Entry, lines: Mapping[str, Sequence[str]], colour: bool) -> str:
    finding = entry.finding
    place = paint(harmless(str(finding.span)), "bold", colour)
    star = paint("[*] ", "cyan", colour) if entry.fixable else ""
    tags = paint(f"({entry.tag}, {finding.confidence})", "dim", colour)
    head = f"{place} {paint(finding.rule, 'bold red', colour)} {star}{harmless(finding.message)}"
    parts = [f"{head}  {tags}"]
    steps = _steps(entry)
    for number, step in enumerate(steps, 1):
        label = f"  {number}. " if len(steps) > 1 else "     "
        where = paint(harmless(str(step.span)), "cyan", colour)
        if step.what and (len(steps) > 1 or step.span != finding.span):
            parts.append(f"{label}{where} {harmless(step.what)}")
        parts.extend(excerpt(step.span, lines.get(step.span.path, ()), colour))
    parts.extend(_outcome(entry, colour))
    return "\n".join(parts)


def _outcome(entry: Entry, colour: bool) -> list[str]:
    outcome = entry.outcome
    if isinstance(outcome, Refusal):
        label = paint("left alone:", "yellow", colour)
        return [f"  {label} {outcome.code} {harmless(outcome.reason)}"]
    hint = " (--unsafe-fixes)" if entry.waits_for_unsafe else ""
    label = "suggestion:" if outcome.applicability is Applicability.DISPLAY else "repair:"
    parts = [f"  {paint(label, 'green', colour)} {harmless(outcome.title)}{hint}"]
    for line in entry.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        shown = harmless(_cut(line))
        parts.append(f"{_INDENT}{paint(shown, style, colour) if style else shown}".rstrip())
    return parts


def excerpt(span: Span, lines: Sequence[str], colour: bool) -> list[str]:
    """Return the first line of the span and carets under what the span covers of it."""
    if not 0 < span.line <= len(lines):
        return []
    line = lines[span.line - 1].rstrip("\r\n")
    end = span.end_column if span.end_line == span.line else len(line.rstrip())
    start = len(line) - len(line.lstrip())
    before, covered = line[start : span.column], line[max(span.column, start) : end]
    if span.column - start > _WIDEST // 2:  # far to the right: show the end of what stands before
        before = "…" + before[-_WIDEST // 4 :]
    rest = line[end:]
    shown = _cut(before + covered + rest)
    width = max(1, min(_columns(covered), _WIDEST - _columns(before)))
    carets = " " * _columns(before) + paint("^" * width, "red", colour)
    return [f"{_INDENT}{harmless(_expanded(shown))}", f"{_INDENT}{carets}"]


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def _expanded(text: str) -> str:
    return text.replace("\t", "    ")


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    text = harmless(_expanded(text))
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
