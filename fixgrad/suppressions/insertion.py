"""Comments that hide findings, to be written where these stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixgrad.edits import Operation
from fixgrad.findings import Applicability, Finding, Repair
from fixgrad.source import Source, Span
from fixgrad.suppressions.comments import Comment, comments, layout_of

_WIDEST = 100  # columns of a line with its comment; longer, the comment stands above


def insertions(
    findings: Iterable[Finding], sources: Mapping[str, Source], reason: str
) -> list[Repair]:
    """Return what writes a comment for each statement with findings; it names their rules."""
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        by_path.setdefault(finding.span.path, []).append(finding)
    return [
        repair
        for path, found in sorted(by_path.items())
        for repair in _of_file(sources[path], found, reason)
    ]


def _of_file(source: Source, findings: list[Finding], reason: str) -> list[Repair]:
    lines = source.lines()
    layout = layout_of(lines)
    present = comments(source)
    commented = {row for row, _, _ in layout.comments}
    by_statement: dict[range, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: finding.span):
        row = int(finding.span.line)
        statement = layout.statement_at(row) or range(row, row + 1)
        by_statement.setdefault(statement, []).append(finding)
    repairs: list[Repair] = []
    for statement, found in by_statement.items():
        codes = sorted({finding.rule for finding in found})
        before = next((c for c in present if _takes(c, statement, reason)), None)
        if before is not None:
            operation = _longer(source, before, codes)
        else:
            text = f"# fixgrad: ignore[{', '.join(codes)}] {reason}".rstrip()
            last = lines[statement[-1] - 1].rstrip("\r\n")
            behind = statement[-1] not in commented and len(last) + 2 + len(text) <= _WIDEST
            row = statement[-1] if behind else statement[0]
            line = source.line(row)
            width = len(lines[row - 1].rstrip("\r\n"))
            kind = "comment-behind" if behind else "comment-above"
            operation = Operation(Span(source.path, line, 0, line, width), kind, text)
        title = f"leave {', '.join(codes)} alone"
        repairs += [Repair(each, (operation,), Applicability.SAFE, title) for each in found]
    return repairs


def _takes(comment: Comment, statement: range, reason: str) -> bool:
    """Say whether a comment that is there may name more rules."""
    return (
        comment.kind == "ignore"
        and bool(comment.codes)
        and comment.lines == statement
        and comment.reason == reason
    )


def _longer(source: Source, comment: Comment, codes: list[str]) -> Operation:
    every = dict.fromkeys((*(comment.codes or ()), *codes))
    text = f"# fixgrad: ignore[{', '.join(every)}] {comment.reason}".rstrip()
    return Operation(comment.span, "comment", text)
