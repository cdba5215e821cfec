"""Runs the repaired program until each repair has a verdict of its own.

All repairs are run together first. Those that are refuted are left out of a second run, so that what they break is not
held against the others; where something got worse and nobody knows by whom, each is run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.findings import Repair
from fixgrad.proof.claims import after_repair, claim_of
from fixgrad.proof.observed import Observed
from fixgrad.proof.verdict import REFUTED, Pair, Verdict, judge
from fixgrad.proof.worse import blamed, compare
from fixgrad.rewrite.moves import moves
from fixgrad.source import Source

Patches = tuple[tuple[Source, Patch], ...]
_MOST_ALONE = 8  # repairs that are each run alone


class Trial(NamedTuple):
    """Repairs that were run together."""

    repairs: tuple[Repair, ...]
    patches: Patches
    after: Observed
    verdicts: tuple[Verdict, ...]

    @property
    def refuted(self) -> list[Repair]:
        """Return the repairs that were refuted."""
        return [verdict.repair for verdict in self.verdicts if verdict.outcome == REFUTED]


class Rounds(NamedTuple):
    """How repairs are patched and run."""

    before: Observed
    patch: Callable[[Sequence[Repair]], Patches]
    run: Callable[[Patches], Observed]

    def trial(self, repairs: Sequence[Repair], patches: Patches | None = None) -> Trial:
        """Run some repairs together and judge each of them."""
        patches = self.patch(repairs) if patches is None else patches
        after = self.run(patches)
        return Trial(tuple(repairs), patches, after, verdicts(repairs, patches, self.before, after))

    def all(self, repairs: Sequence[Repair], patches: Patches) -> list[Trial]:
        """Run all repairs, then those that are left; the last trial is of what may be kept."""
        trials = [self.trial(repairs, patches)]
        while trials[-1].refuted and len(trials[-1].repairs) > 1:
            last = trials[-1]
            left = [repair for repair in last.repairs if repair not in last.refuted]
            if not left and len(last.repairs) <= _MOST_ALONE:
                alone = [self.trial([repair]) for repair in last.repairs]
                left = [trial.repairs[0] for trial in alone if not trial.refuted]
                trials += alone
                if len(left) == len(last.repairs):
                    break  # only together they do harm
            if not left:
                break
            trials.append(self.trial(left))
        return trials


def verdicts(
    repairs: Sequence[Repair], patches: Patches, before: Observed, after: Observed
) -> tuple[Verdict, ...]:
    """Judge repairs that were run together."""
    moved = moves(patches)
    old = [claim_of(repair) for repair in repairs]
    new = [after_repair(claim, moved) for claim in old]
    blame = blamed(compare(before, after, moved), new)
    return tuple(
        judge(repair, Pair(old[number], new[number], before, after), blame[number])
        for number, repair in enumerate(repairs)
    )


def last_word(trials: Sequence[Trial], repairs: Sequence[Repair]) -> list[Verdict]:
    """Return the verdict of the last trial that each repair took part in."""
    found = {v.repair: v for trial in trials for v in trial.verdicts}
    return [found[repair] for repair in repairs]
