"""Tensors of which only a run knows that their gradient is asked for: the analysis does not follow them so far.

They were made by `getattr`, by a library, by a `DataLoader`, or went through what nobody can read. The way that was
recorded is their path; as the analysis does not know it, no edit is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fixgrad.evidence.judge import lack
from fixgrad.evidence.places import Places
from fixgrad.evidence.sighting import Sighting, meets
from fixgrad.findings import CARRIES, DEMAND, MADE, Finding, Refusal, Step
from fixgrad.source import Span

SEEN_BY_RUNS = "FG912"
_RULES = {"grad": "FG101", "optimizer": "FG102", "inputs": "FG103", "hook": "FG105"}
_ASKS = {
    "grad": "reads its `.grad`",
    "optimizer": "gives it to an optimizer",
    "inputs": "asks `autograd.grad` for it",
    "hook": "registers a hook on it",
}
_REASON = "only a recorded run knows its way here; grant the gradient where it is made"


def discovered(
    seen: Sequence[Sighting], findings: Iterable[Finding], places: Places
) -> Iterator[Refusal]:
    """Yield what the runs found beside the findings of the analysis, one for each rule and place."""
    known = [step.span for finding in findings for step in finding.trace]
    known += [finding.span for finding in findings]
    arrived = {(each.span, each.way[0]) for each in seen if each.way and _has_arrived(each)}
    done: set[tuple[str, Span]] = set()
    for each in seen:
        rule = _RULES.get(each.kind)
        if rule is None or not each.way or (each.span, each.way[0]) in arrived:
            continue
        site = each.way[0][1]
        asked = lack(each, rule)
        if not asked or (rule, site) in done or not places.is_given(site.path):
            continue
        if not any(meets(site, span) for span in known):
            done.add((rule, site))
            yield Refusal(_finding(each, rule, asked), SEEN_BY_RUNS, _REASON)


def _has_arrived(event: Sighting) -> bool:
    return bool(event.facts.get("arrived") or event.facts.get("moved"))


def _finding(event: Sighting, rule: str, asked: str) -> Finding:
    (call, site), *links = event.way
    steps = [
        Step(site, f"made here: {call}", MADE),
        *(Step(span, f"flows through `{name}`", CARRIES) for name, span in links),
        Step(event.span, f"demanded here: a run {_ASKS[event.kind]}", DEMAND),
    ]
    # A `.grad` may be read to see whether there is one; all else is asked for its gradient.
    confidence = "medium" if event.kind == "grad" else "high"
    return Finding(rule, site, f"a run shows: {asked}", confidence, tuple(steps))
