"""Compares gradients that arrived with finite differences: the program is run again with one number changed.

What is differentiated is observed, whatever the program computes: the value of the first backward pass that brought
the gradient. A coordinate is moved a little up and a little down where the leaf is made; the same pass is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fixgrad.findings import Repair
from fixgrad.proof.claims import Claim, after_repair, claim_of
from fixgrad.proof.observed import Observed
from fixgrad.proof.rounds import Patches, Trial
from fixgrad.proof.verdict import PROVED, Verdict
from fixgrad.rewrite.moves import moves
from fixgrad.runtime.records import Event, Records

Nudged = Callable[[Patches, Mapping[str, Any]], Records]


class _Precision(NamedTuple):
    """How far to move a coordinate of about one, what noise a value has, and what still agrees."""

    step: float
    noise: float
    agrees: float


_OTHER = _Precision(3e-2, 1e-2, 2e-1)
_PRECISIONS = {
    "torch.float64": _Precision(1e-5, 1e-14, 1e-4),
    "torch.float32": _Precision(2e-3, 2e-6, 2e-2),
}


class _Slope(NamedTuple):
    """A coordinate of a gradient beside its finite difference."""

    coordinate: int
    told: float
    found: float
    error: float  # relative


def checked(verdicts: Sequence[Verdict], trials: Sequence[Trial], nudged: Nudged) -> list[Verdict]:
    """Return the verdicts with what finite differences say of those that are proved."""
    return [
        verdict._replace(check=_check(verdict.repair, trials, nudged))
        if verdict.outcome == PROVED
        else verdict
        for verdict in verdicts
    ]


def _check(repair: Repair, trials: Sequence[Trial], nudged: Nudged) -> str:
    trial = [trial for trial in trials if repair in trial.repairs][-1]
    claim = after_repair(claim_of(repair), moves(trial.patches))
    if not claim.grants:
        return ""
    event = _slopes(trial.after, claim)
    if event is None:
        return "not checked: no real gradient of a tensor made here was seen"
    precision = _PRECISIONS.get(event.facts["dtype"], _OTHER)
    slopes = [
        _difference(event, number, precision, lambda nudge: nudged(trial.patches, nudge))
        for number in range(len(event.facts["index"]))
    ]
    known = [slope for slope in slopes if slope is not None]
    if not known:
        return "not checked: the program did not come to the same backward pass again"
    worst = max(known, key=lambda slope: slope.error)
    if worst.error <= precision.agrees:
        many = f"{len(known)} coordinates" if len(known) > 1 else "1 coordinate"
        return f"finite differences agree, relative error {worst.error:.1e} ({many})"
    return (
        f"finite differences differ, relative error {worst.error:.1e}"
        f": {worst.told:.6g} at coordinate {worst.coordinate}, found {worst.found:.6g}"
    )


def _slopes(run: Observed, claim: Claim) -> Event | None:
    for event in run.records.of("slopes"):
        if any(run.came_by(event, grant) for grant in claim.grants):
            return event
    return None


def _difference(
    event: Event, number: int, precision: _Precision, run: Callable[[dict[str, Any]], Records]
) -> _Slope | None:
    """Return one slope beside (f(x + h) - f(x - h)) / 2h; None where a run did not come so far."""
    facts = event.facts
    step = precision.step * max(1.0, abs(facts["points"][number]))
    values: list[float] = []
    for by in (step, -step):
        nudge = {"route": facts["number"], "turn": facts["turn"], "until": facts["backward"]}
        found = [
            e.facts["value"]
            for e in run({**nudge, "index": facts["index"][number], "by": by}).of("nudged")
        ]
        if not found or found[0] is None:
            return None
        values.append(found[0])
    difference, told = (values[0] - values[1]) / (2 * step), facts["slopes"][number]
    least = precision.noise * (1.0 + abs(facts["value"])) / step
    error = abs(difference - told) / max(abs(difference), abs(told), least)
    return _Slope(facts["index"][number], told, difference, error)
