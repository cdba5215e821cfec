"""What fixgrad concludes: findings, and for each one a repair or a refusal."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.source import Span

CONFIDENCES = ("low", "medium", "high")  # how certain a finding is, the least certain first


class Applicability(IntEnum):
    """How far a repair may be trusted; a greater one is safer."""

    DISPLAY = 1  # we know what is wrong but not which edit is meant: shown, never written
    UNSAFE = 2  # a right edit exists but is a judgement: written with --unsafe-fixes
    SAFE = 3  # the demand is proved on this object and the plan is complete: written by --fix

    def __str__(self) -> str:
        return self.name.lower()


MADE, CARRIES, CUT, ASSUMED, ALIAS = "made", "carries", "cut", "assumed", "alias"
CALL, DEMAND, WRONG, BACKWARD = "call", "demand", "wrong", "backward"


class Step(NamedTuple):
    """One place on the path from the conversion to the demand."""

    span: Span
    what: str  # "made here", "flows through `float`", "demanded here: its `.grad` is read"
    effect: str = CARRIES  # of the step on the gradient, or what else stands there


class Finding(NamedTuple):
    """A NumPy-born tensor whose gradient is asked for and cannot arrive, or a broken grant."""

    rule: str  # "FG101"
    span: Span  # the conversion call; for FG2xx the expression that is wrong
    message: str  # "`.grad` of `x` is read at line 7 but nothing tracks this tensor"
    confidence: str  # "high", "medium", "low"
    trace: tuple[Step, ...]  # to what asks for the gradient; then, if so, to where it is cut

    @property
    def end(self) -> Span:
        """Return where the gradient is asked for, or what is wrong stands."""
        ends = (step.span for step in self.trace if step.effect in (DEMAND, WRONG))
        return next(ends, self.span)


class Repair(NamedTuple):
    """Every operation that one finding needs, across files; applied whole or not at all."""

    finding: Finding
    operations: tuple[Operation, ...]
    applicability: Applicability
    title: str  # "grant the gradient with torch.tensor(..., requires_grad=True)"


class Refusal(NamedTuple):
    """Why a finding is left alone."""

    finding: Finding
    code: str  # "FG902"
    reason: str  # "`.numpy()` at line 9 cuts the graph before the demand"


class Concluded(NamedTuple):
    """What was found in one part of a project."""

    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]
    deferred: int
    others: tuple[str, ...]  # the paths of files that were not given and that this leads to


def paths_in(found: Concluded) -> set[str]:
    """Return the files that findings and their repairs speak of."""
    findings = [r.finding for r in found.repairs] + [r.finding for r in found.refusals]
    paths = {step.span.path for finding in findings for step in finding.trace}
    paths |= {finding.span.path for finding in findings}
    return paths | {o.span.path for repair in found.repairs for o in repair.operations}
