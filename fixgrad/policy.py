"""What a user wants of the findings: which are reported, which repairs are made, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from fixgrad.findings import CONFIDENCES, Applicability, Finding, Refusal
from fixgrad.source import Span


def _everything(code: str) -> bool:
    return True


def _nothing(code: str) -> bool:
    return False


def _nowhere(code: str, span: Span) -> bool:
    return False


def _any_style(span: Span) -> str:
    return "auto"


def _none_of_them(findings: Sequence[Finding]) -> Set[tuple[str, Span]]:
    return frozenset()


def _no_runs(findings: Sequence[Finding]) -> Sequence[Refusal]:
    return ()


class Policy(NamedTuple):
    """Decides by the code of a rule; the default is what fixgrad does without any settings."""

    selected: Callable[[str], bool] = _everything  # by rule: reported
    selects_all: bool = True  # there is no rule that is not
    left_alone: Callable[[str, Span], bool] = (
        _nowhere  # by rule and place: neither reported nor edited
    )
    fixable: Callable[[str], bool] = _everything  # by rule: may be repaired
    unsafe: bool = False  # repairs that are a judgement are made too
    safer: Callable[[str], bool] = _nothing  # by rule: an unsafe repair counts as safe
    riskier: Callable[[str], bool] = _nothing  # by rule: a safe repair counts as unsafe
    least_confidence: str = CONFIDENCES[0]
    # of all that is found, by rule and place: what the user knows of and leaves as it is
    passed_over: Callable[[Sequence[Finding]], Set[tuple[str, Span]]] = _none_of_them
    # of all that is found: what recorded runs contradict, and what only they have found
    shown_by_runs: Callable[[Sequence[Finding]], Sequence[Refusal]] = _no_runs
    style: Callable[[Span], str] = _any_style  # by place of the finding: how a grant is written

    @property
    def is_local(self) -> bool:
        """Whether what it says of one finding does not depend on the others."""
        return self.passed_over is _none_of_them and self.shown_by_runs is _no_runs

    def level(self, rule: str, level: Applicability) -> Applicability:
        """Return how far a repair of a rule may be trusted by this user."""
        if level is Applicability.UNSAFE and self.safer(rule):
            return Applicability.SAFE
        if level is Applicability.SAFE and self.riskier(rule):
            return Applicability.UNSAFE
        return level

    def makes(self, rule: str, level: Applicability) -> bool:
        """Say whether repairs of this rule are made, at the level that `level` returned."""
        least = Applicability.UNSAFE if self.unsafe else Applicability.SAFE
        return level >= least and self.fixable(rule)

    def reports(self, confidence: str) -> bool:
        """Say whether a finding is certain enough to be told."""
        return CONFIDENCES.index(confidence) >= CONFIDENCES.index(self.least_confidence)
