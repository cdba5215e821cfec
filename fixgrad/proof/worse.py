"""What got worse from one run to the other, and which repairs are to be blamed for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fixgrad.proof.claims import Claim
from fixgrad.proof.observed import FATAL, Observed
from fixgrad.rewrite.moves import Moves
from fixgrad.runtime.records import Event, is_of_autograd, said
from fixgrad.source import Span


class Worse(NamedTuple):
    """Something that the repaired program does worse."""

    what: str
    spans: tuple[Span, ...] = ()  # where, in the repaired files

    def is_about(self, claim: Claim) -> bool:
        """Say whether a repair has to do with it."""
        regions = [*claim.touched, *filter(None, [claim.demand]), claim.conversion]
        return any(
            region.path == span.path and region.line <= span.line <= region.end_line
            for span in self.spans
            for region in regions
        )


def compare(before: Observed, after: Observed, moves: Mapping[str, Moves]) -> list[Worse]:
    """Return what is worse after: how the program ends, its tests, gradients that were there."""
    return [*_ending(before, after), *_tests(before, after), *_gradients(before, after, moves)]


def blamed(found: Sequence[Worse], claims: Sequence[Claim]) -> list[str]:
    """Return for each claim what it is blamed for; what is nobody's is everybody's."""
    blame = [""] * len(claims)
    for worse in found:
        ours = [number for number, claim in enumerate(claims) if worse.is_about(claim)]
        for number in ours or range(len(claims)):
            blame[number] = blame[number] or worse.what
    return blame


def _ending(before: Observed, after: Observed) -> Iterator[Worse]:
    if (after.ran.stopped and not before.ran.stopped) or after.ran.code < 0 <= before.ran.code:
        yield Worse(f"the repaired program is {after.ran.ending}")
    elif after.ran.code and not before.ran.stopped:
        known = {said(event.facts) for event in before.fatal()}
        new = [event for event in after.fatal() if said(event.facts) not in known]
        if before.ran.code == 0:
            what = said(new[0].facts) if new else after.ran.ending
            spans = _spans(after, new[0]) if new else ()
            yield Worse(f"the repaired program fails: {what}", spans)
        for event in new:
            # one that comes of going further is the program's own; one about gradients is ours
            if before.ran.code and event.kind == "uncaught" and is_of_autograd(event.facts):
                yield Worse(
                    f"the repaired program fails: {said(event.facts)}", _spans(after, event)
                )


def _tests(before: Observed, after: Observed) -> Iterator[Worse]:
    broken = before.tests("passed") & after.tests("failed") - before.tests("failed")
    for name in sorted(broken):
        errors = [event for event in after.records.of(*FATAL) if event.facts.get("test") == name]
        what = f"{name} fails"
        yield Worse(
            f"{what}: {said(errors[0].facts)}" if errors else what,
            _spans(after, errors[0]) if errors else (),
        )


def _gradients(before: Observed, after: Observed, moves: Mapping[str, Moves]) -> Iterator[Worse]:
    """Yield the places where every gradient was there, and now none is."""
    for event in before.records.of("grad", "inputs"):
        seen = before.seen(event)
        if seen is None or not event.arrived:
            continue
        region = moves[seen.span.path].moved(seen.span) if seen.span.path in moves else seen.span
        now = [e for e, _ in after.at(region, event.kind)]
        if now and not any(e.arrived for e in now):
            yield Worse(f"the gradient read at line {region.line} is None now", (region,))


def _spans(run: Observed, error: Event) -> tuple[Span, ...]:
    places = [*reversed(error.frames), *([error.place] if error.place else [])]
    return tuple(seen.span for seen in map(run.files.seen, places) if seen is not None)
