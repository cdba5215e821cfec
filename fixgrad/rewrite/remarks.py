"""Operations on comments: changed, removed, or added behind a line or above it."""

from __future__ import annotations

from collections.abc import Sequence

from fixgrad.edits import Operation
from fixgrad.rewrite.changes import Change
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.refused import RewriteRefused


def comment_changes(
    layout: Layout, operations: Sequence[Operation], others: Sequence[Change]
) -> list[Change]:
    """Return the changes; none of them touches what another operation changes."""
    made = [_change(layout, operation) for operation in operations]
    for operation, change in zip(operations, made, strict=True):
        if any(_meet(change, other) for other in others):
            raise RewriteRefused(operation, "another edit changes the same lines")
    return made


def _change(layout: Layout, operation: Operation) -> Change:
    offsets = layout.offsets(operation.span)
    if offsets is None:
        raise RewriteRefused(operation, "the text has no such place")
    start, end = offsets
    match operation.kind:
        case "comment-behind":
            return Change(end, end, f"  {operation.argument}")
        case "comment-above":
            at = layout.line_start(start)
            indentation = layout.indentation(start)
            return Change(at, at, f"{indentation}{operation.argument}{layout.newline(start)}")
    if not operation.argument:
        return _removed(layout, start, end)
    return Change(start, end, operation.argument)


def _removed(layout: Layout, start: int, end: int) -> Change:
    """Remove a comment with its line, if it is alone there, or with the blanks that set it off."""
    text = layout.text
    line = layout.line_at(start)
    first = layout.starts[line]
    last = layout.starts[line + 1] if line + 1 < len(layout.starts) else len(text)
    before, after = text[first:start], text[end:last]
    if after.strip():
        return Change(start, end + len(after) - len(after.lstrip(" \t")), "")
    if before.strip():
        return Change(first + len(before.rstrip(" \t")), end, "")
    return Change(first, last, "")


def _meet(one: Change, other: Change) -> bool:
    return one.start < other.end and other.start < one.end
