"""What a repair claims: which tensor gets a gradient, who asks for it, and which lines no longer fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.findings import DEMAND, MADE, Repair
from fixgrad.rewrite.moves import Moves
from fixgrad.source import Span

_GRANT = "requires_grad"
_MISPLACED = "FG201"  # a grant of what takes none, as of an array: it is taken off
_WIDE = 1 << 20  # the end of a line, however long


class Claim(NamedTuple):
    """The places by which a run is to be judged, in one version of the files."""

    rule: str
    conversion: Span
    demand: Span | None  # where the gradient is asked for; None: where the tensor is made
    grants: tuple[Span, ...]  # expressions that make the leaf
    touched: tuple[Span, ...]  # all that is edited
    added: tuple[Span, ...] = ()  # statements, once for each line that is added after them
    preceded: tuple[Span, ...] = ()  # the same of lines before them


def claim_of(repair: Repair) -> Claim:
    """Return what a repair claims, in the places of the files as they are."""
    finding = repair.finding
    made = [step.span for step in finding.trace if step.effect == MADE]
    asked = [step.span for step in finding.trace if step.effect == DEMAND]
    touched = dict.fromkeys(operation.span for operation in repair.operations)
    kinds = {operation.kind for operation in repair.operations}
    taken_off = finding.rule == _MISPLACED and kinds == {"unwrap-method"}
    return Claim(
        finding.rule,
        made[0] if made else finding.span,
        asked[-1] if asked else None,
        () if taken_off else tuple(dict.fromkeys(o.span for o in repair.operations if _grants(o))),
        tuple(touched),
        tuple(o.span for o in repair.operations if o.kind == "insert-after"),
        tuple(o.span for o in repair.operations if o.kind == "insert-before"),
    )


def after_repair(claim: Claim, moves: Mapping[str, Moves]) -> Claim:
    """Return the same claim in the places of the repaired files."""

    def moved(span: Span) -> Span:
        return moves[span.path].moved(span) if span.path in moves else span

    def grown(span: Span) -> Span:
        found, lines = moved(span), claim.added.count(span)
        wide = found._replace(end_line=found.end_line + lines, end_column=_WIDE)
        found = wide if lines else found
        above = claim.preceded.count(span)
        return found._replace(line=found.line - above, column=0) if above else found

    def all_moved(spans: Iterable[Span]) -> tuple[Span, ...]:
        return tuple(grown(span) for span in spans)

    return claim._replace(
        conversion=moved(claim.conversion),
        demand=moved(claim.demand) if claim.demand else None,
        grants=all_moved(claim.grants),
        touched=all_moved(claim.touched),
    )


def _grants(operation: Operation) -> bool:
    return _GRANT in operation.argument and operation.kind != "drop-keyword"
