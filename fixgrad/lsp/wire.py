"""Findings in the terms of the Language Server Protocol: ranges count code units, files are addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lsprotocol import types

from fixgrad.edits import Edit
from fixgrad.findings import Applicability, Refusal, Step
from fixgrad.lsp.desk import Seen
from fixgrad.report import Entry
from fixgrad.source import Span, split_lines

_UNUSED = "FG401"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|])")
_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Wire:
    """Speaks of texts to one client."""

    def __init__(self, encoding: str) -> None:
        self._codec, self._size = _UNITS.get(encoding, _UNITS["utf-16"])

    def range(self, span: Span, lines: list[str]) -> types.Range:
        """Return a span as the client counts, in the lines of its text."""
        first, last = span.rows
        return types.Range(
            self._position(first, span.column, lines), self._position(last, span.end_column, lines)
        )

    def _position(self, line: int, column: int, lines: list[str]) -> types.Position:
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        before = text[:column].encode(self._codec, "surrogatepass")
        return types.Position(max(line - 1, 0), len(before) // self._size)

    def column(self, text: str, character: int) -> int:
        """Return the column in characters of a place in a line, as the client counts it."""
        data = text.encode(self._codec, "surrogatepass")[: character * self._size]
        return len(data.decode(self._codec, "ignore"))

    def diagnostic(self, entry: Entry, seen: Seen, related: bool) -> types.Diagnostic:
        """Return what is shown in the editor."""
        finding = entry.finding
        steps = finding.trace if len(finding.trace) > 1 and related else ()
        return types.Diagnostic(
            self.location(finding.span, seen).range,
            message(entry),
            severity=_severity(entry),
            code=finding.rule,
            source="fixgrad",
            tags=[types.DiagnosticTag.Unnecessary] if finding.rule == _UNUSED else None,
            related_information=[self._related(step, seen) for step in steps] or None,
        )

    def _related(self, step: Step, seen: Seen) -> types.DiagnosticRelatedInformation:
        return types.DiagnosticRelatedInformation(self.location(step.span, seen), step.what)

    def location(self, span: Span, seen: Seen) -> types.Location:
        """Return where a place is: in this file, or in another."""
        if span.path == seen.source.path:
            page = seen.paper.page(span)
            return types.Location(page.uri, self.range(span, split_lines(page.text)))
        others = (source.lines() for source in seen.others if source.path == span.path)
        return types.Location(uri_of(span.path), self.range(span, next(others, [])))

    def edits(self, edits: Iterable[Edit], seen: Seen) -> dict[str, list[types.TextEdit]]:
        """Return changes of texts by their addresses."""
        found: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            place = self.location(edit.span, seen)
            found.setdefault(place.uri, []).append(types.TextEdit(place.range, edit.text))
        return found


def message(entry: Entry) -> str:
    """Return what is said of a finding in one line, with the reason why it is left alone."""
    if isinstance(entry.outcome, Refusal):
        return f"{entry.finding.message} (left alone: {entry.outcome.code} {entry.outcome.reason})"
    return entry.finding.message


def hover(entry: Entry, seen: Seen, texts: Mapping[str, list[str]]) -> str:
    """Return a finding with its path and its repair, as Markdown."""
    finding = entry.finding
    parts = [f"**{finding.rule}** {_plain(finding.message)} *({entry.tag}, {finding.confidence})*"]
    steps = []
    for number, step in enumerate(finding.trace, 1):
        span = step.span
        row, _ = span.rows
        mine = span.path == seen.source.path
        uri = seen.paper.page(span).uri if mine else uri_of(span.path)
        lines = texts.get(span.path, [])
        code = lines[span.line - 1].strip() if 0 < span.line <= len(lines) else ""
        quoted = f" `{code}`" if code and "`" not in code else ""
        cell = "" if span.cell is None else f"cell {span.cell}:"
        name = f"{os.path.basename(span.path)}:{cell}{row}"
        steps.append(f"{number}. [{name}]({uri}#L{row}) {_plain(step.what)}{quoted}")
    parts.append("\n".join(steps))
    if isinstance(entry.outcome, Refusal):
        parts.append(f"left alone: {entry.outcome.code} {_plain(entry.outcome.reason)}")
    elif entry.diff:
        parts.append(f"{_plain(entry.outcome.title)}:\n\n```diff\n{entry.diff.rstrip()}\n```")
    return "\n\n".join(filter(None, parts))


def _plain(text: str) -> str:
    """Return text for Markdown, where only its own code marks mean anything."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return _MARKDOWN.sub(r"\\\1", text)
    return "`".join(
        piece if index % 2 else _MARKDOWN.sub(r"\\\1", piece) for index, piece in enumerate(pieces)
    )


def _severity(entry: Entry) -> types.DiagnosticSeverity:
    if entry.finding.rule == _UNUSED:
        return types.DiagnosticSeverity.Hint
    if isinstance(entry.outcome, Refusal) or entry.outcome.applicability is Applicability.DISPLAY:
        return types.DiagnosticSeverity.Information
    return types.DiagnosticSeverity.Warning


def uri_of(path: str) -> str:
    """Return the address of a file."""
    return Path(os.path.abspath(path)).as_uri()
