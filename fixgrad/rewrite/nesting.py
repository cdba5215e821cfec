"""Operations on expressions, innermost first: an outer one sees what the inner one wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fixgrad.edits import Operation
from fixgrad.rewrite.changes import Change, spliced
from fixgrad.rewrite.expressions import Setting, write
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.refused import RewriteRefused
from fixgrad.rewrite.surroundings import delimited, grouping, opens_call


@dataclass
class _Place:
    """An expression with its operations, and the operated expressions inside it."""

    start: int
    end: int
    operations: list[Operation] = field(default_factory=list)
    inside: list[_Place] = field(default_factory=list)


def expression_changes(layout: Layout, operations: Sequence[Operation]) -> list[Change]:
    """Return one change for each outermost expression, in order."""
    try:
        return [_change(layout, place) for place in _outermost(layout, operations)]
    except RecursionError:
        raise RewriteRefused(operations[0], "the expressions are nested too deep") from None


def _outermost(layout: Layout, operations: Sequence[Operation]) -> list[_Place]:
    places: dict[tuple[int, int], _Place] = {}
    for operation in operations:
        offsets = layout.offsets(operation.span)
        if offsets is None:
            raise RewriteRefused(operation, "the file has no such place")
        if layout.in_string(offsets[0]) and not _fits_in_string(operation):
            raise RewriteRefused(operation, "the expression stands in an f-string")
        places.setdefault(offsets, _Place(*offsets)).operations.append(operation)
    outermost: list[_Place] = []
    enclosing: list[_Place] = []
    for place in sorted(places.values(), key=lambda place: (place.start, -place.end)):
        while enclosing and enclosing[-1].end <= place.start:
            enclosing.pop()
        if enclosing and enclosing[-1].end < place.end:
            raise RewriteRefused(place.operations[0], "it overlaps another repair's expression")
        (enclosing[-1].inside if enclosing else outermost).append(place)
        enclosing.append(place)
    return outermost


def _fits_in_string(operation: Operation) -> bool:
    """Say whether an f-string's field may be changed so: without a quote, a brace or a backslash."""
    plain = not set(operation.argument) & set("\"'{}\\#\n")
    return plain and operation.kind in ("append", "replace")


def _change(layout: Layout, place: _Place) -> Change:
    """Return the new text of the expression, inner expressions first."""
    inner = [_change(layout, child) for child in place.inside]
    start, end = place.start, place.end
    text = spliced(layout.text, inner, start, end)
    around = grouping(layout, start, end)
    borrowed = text.startswith("(") and opens_call(layout, start)
    for operation in sorted(place.operations, key=_behind):
        setting = Setting(
            opening=around.opening if around else "",
            closing=around.closing if around else "",
            delimited=borrowed or delimited(layout, start, end),
            bracketed=borrowed or layout.depth(start) > 0,
        )
        text, absorbed = write(text, operation, setting)
        if absorbed and around:
            start, end, around = around.start, around.end, None
    if borrowed:
        # f(x for x in y): the tree counts the call's parentheses to the generator
        text = f"({text})"
    return Change(start, end, _apart(layout.text, start, end, text))


def _behind(operation: Operation) -> bool:
    """Say whether an operation is put behind or around the expression, after what changes itself."""
    return operation.kind in ("append", "call")


def _apart(source: str, start: int, end: int, text: str) -> str:
    """Keep a name from running into the keyword that stood against a parenthesis: `return(a)`."""
    if _in_name(source[start - 1 : start]) and _in_name(text[:1]):
        text = " " + text
    if _in_name(source[end : end + 1]) and _in_name(text[-1:]):
        text += " "
    return text


def _in_name(char: str) -> bool:
    return char.isalnum() or char == "_"
