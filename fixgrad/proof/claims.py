"""What a repair claims: which tensor gets a gradient, who asks for it, and which lines no longer fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.findings import Repair
from fixgrad.proof.places import Moves
from fixgrad.source import Span

_GRANT = "requires_grad"


class Claim(NamedTuple):
    """The places by which a run is to be judged, in one version of the files."""

    rule: str
    conversion: Span
    demand: Span | None  # where the gradient is asked for; None: where the tensor is made
    grants: tuple[Span, ...]  # expressions that make the leaf
    touched: tuple[Span, ...]  # all that is edited


def claim_of(repair: Repair) -> Claim:
    """Return what a repair claims, in the places of the files as they are."""
    finding = repair.finding
    made = [step.span for step in finding.trace if step.what == "made here"]
    asked = [step.span for step in finding.trace if step.what == "demanded here"]
    touched = dict.fromkeys(operation.span for operation in repair.operations)
    return Claim(
        finding.rule,
        made[0] if made else finding.span,
        asked[-1] if asked else None,
        tuple(dict.fromkeys(o.span for o in repair.operations if _grants(o))),
        tuple(touched),
    )


def after_repair(claim: Claim, moves: Mapping[str, Moves]) -> Claim:
    """Return the same claim in the places of the repaired files."""

    def moved(span: Span) -> Span:
        return moves[span.path].moved(span) if span.path in moves else span

    def all_moved(spans: Iterable[Span]) -> tuple[Span, ...]:
        return tuple(moved(span) for span in spans)

    return claim._replace(
        conversion=moved(claim.conversion),
        demand=moved(claim.demand) if claim.demand else None,
        grants=all_moved(claim.grants),
        touched=all_moved(claim.touched),
    )


def _grants(operation: Operation) -> bool:
    return _GRANT in operation.argument and operation.kind != "drop-keyword"
