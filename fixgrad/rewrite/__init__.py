"""Operations become a patch of one file; every byte outside the edits stays.

It decides how a change is written, never whether it should be made. libcst is imported by the first
expression that is changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixgrad.edits import Operation, Patch
from fixgrad.rewrite.changes import Change, patch
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.refused import RewriteRefused
from fixgrad.rewrite.remarks import comment_changes
from fixgrad.source import Source

__all__ = ["RewriteRefused", "rewrite"]

_STATEMENT = frozenset({"wrap-with", "insert-before", "insert-after", "delete"})
_REMARK = frozenset({"comment", "comment-behind", "comment-above"})
_EXPRESSION = frozenset(
    {"append", "call", "callee", "drop-keyword", "keyword", "replace"}
    | {"unwrap-attribute", "unwrap-call", "unwrap-method"}
    | {"method", "name-argument", "as-buffer", "out-of-place", "rename-keyword", "swap-arguments"}
)


def rewrite(source: Source, operations: Sequence[Operation]) -> Patch:
    """Write the operations into the file's text.

    Raises `RewriteRefused` for the first operation that cannot be written right where it is asked.
    """
    distinct = list(dict.fromkeys(operations))
    if not distinct:
        return Patch(source.path, source.text, source.text, ())
    for operation in distinct:
        if operation.kind not in _EXPRESSION | _STATEMENT | _REMARK:
            raise RewriteRefused(operation, "there is no operation of this kind")
        if operation.span.path != source.path:
            raise RewriteRefused(operation, f"its place is not in {source.path}")
    layout = Layout(source.text)
    changes: list[Change] = []
    expressions = [operation for operation in distinct if operation.kind in _EXPRESSION]
    if expressions:
        from fixgrad.rewrite.nesting import expression_changes  # noqa: PLC0415 - libcst is slow

        changes = expression_changes(layout, expressions)
    statements = [operation for operation in distinct if operation.kind in _STATEMENT]
    if statements:
        from fixgrad.rewrite.statements import with_statement_changes  # noqa: PLC0415

        changes = with_statement_changes(layout, statements, changes)
    remarks = [operation for operation in distinct if operation.kind in _REMARK]
    changes = [*changes, *comment_changes(layout, remarks, changes)]
    made = patch(source.path, layout, changes)
    if source.notebook:
        from fixgrad.rewrite.notebooks import UnmappableError, cell_patches  # noqa: PLC0415

        try:
            cell_patches(source, made)
        except UnmappableError as error:
            raise RewriteRefused(distinct[0], str(error)) from None
    return made
