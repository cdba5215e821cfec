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
        self._lines: dict[str, list[str]] = {}

    def range(self, span: Span, lines: list[str]) -> types.Range:
        """Return a span as the client counts."""
        return types.Range(
            self._position(span.line, span.column, lines),
            self._position(span.end_line, span.end_column, lines),
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
        lines = split_lines(seen.source.text)
        steps = finding.trace if len(finding.trace) > 1 and related else ()
        return types.Diagnostic(
            self.range(finding.span, lines),
            message(entry),
            severity=_severity(entry),
            code=finding.rule,
            source="fixgrad",
            tags=[types.DiagnosticTag.Unnecessary] if finding.rule == _UNUSED else None,
            related_information=[self._related(step, seen) for step in steps] or None,
        )

    def _related(self, step: Step, seen: Seen) -> types.DiagnosticRelatedInformation:
        location = types.Location(
            uri_of(step.span.path), self.range(step.span, self._of(step, seen))
        )
        return types.DiagnosticRelatedInformation(location, step.what)

    def _of(self, step: Step, seen: Seen) -> list[str]:
        if step.span.path == seen.source.path:
            return split_lines(seen.source.text)
        return []  # another file: its columns are taken for code units

    def edits(self, edits: Iterable[Edit], seen: Seen) -> list[types.TextEdit]:
        """Return changes of the text."""
        lines = split_lines(seen.source.text)
        return [types.TextEdit(self.range(edit.span, lines), edit.text) for edit in edits]


def message(entry: Entry) -> str:
    """Return what is said of a finding in one line, with the reason why it is left alone."""
    if isinstance(entry.outcome, Refusal):
        return f"{entry.finding.message} (left alone: {entry.outcome.code} {entry.outcome.reason})"
    return entry.finding.message


def hover(entry: Entry, texts: Mapping[str, list[str]]) -> str:
    """Return a finding with its path and its repair, as Markdown."""
    finding = entry.finding
    parts = [f"**{finding.rule}** {_plain(finding.message)} *({entry.tag}, {finding.confidence})*"]
    steps = []
    for number, step in enumerate(finding.trace, 1):
        line, _ = step.span.rows
        name = f"{os.path.basename(step.span.path)}:{line}"
        lines = texts.get(step.span.path, [])
        code = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        quoted = f" `{code}`" if code and "`" not in code else ""
        steps.append(
            f"{number}. [{name}]({uri_of(step.span.path)}#L{line}) {_plain(step.what)}{quoted}"
        )
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
