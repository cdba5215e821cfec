"""What runs say of one finding: confirmed, contradicted, executed without an answer, or never executed.

A finding says that a gradient is asked for at one place of a tensor that is made at another. What counts is what
happened there to tensors that came from there: a tensor whose way is not known may confirm a finding, and never
contradicts one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fixgrad.evidence.places import Places
from fixgrad.evidence.sighting import Sighting
from fixgrad.findings import DEMAND, MADE, WRONG, Finding
from fixgrad.report.entry import CONFIRMED, CONTRADICTED, EXECUTED, NEVER, Evidence
from fixgrad.runtime.records import is_of_autograd, said
from fixgrad.source import Span

_UNTRACKED = ("FG101", "FG102", "FG103", "FG104", "FG105", "FG106")  # these say: nothing tracks it
_PASSES = {"FG104": ("backward",), "FG106": ("gradcheck",)}  # whose success is an answer by itself
_ENDS = ("uncaught", "failed")
_MOVES = {"FG301": ("left", "taken")}  # what is seen where a module is moved, not where it is used
# Conversions that a run cannot miss; it does not see the likes of `torch.FloatTensor`.
_WATCHED = re.compile(
    r"[\w.]*\b(from_numpy|as_tensor|asarray|tensor|frombuffer|from_dlpack|Tensor|Variable|Parameter)\("
)


def judged(finding: Finding, seen: Sequence[Sighting], places: Places) -> Evidence:
    """Return what the runs say of a finding."""
    made = next((step.span for step in finding.trace if step.effect == MADE), finding.span)
    asked = [step.span for step in finding.trace if step.effect in (DEMAND, WRONG)]
    demand = asked[-1] if asked else finding.span
    ours = [each for each in seen if each.came_by(made)]
    there = [each for each in seen if each.is_at(demand)]
    moved = _MOVES.get(finding.rule, ())
    linked = [each for each in ours if each in there or each.kind in moved]
    loose = [each for each in there if not each.way]
    lacks = [text for each in (*linked, *loose) if (text := lack(each, finding.rule))]
    if lacks:
        return Evidence(CONFIRMED, tuple(dict.fromkeys(lacks)))
    answers = [text for each in linked if (text := _answer(each, finding.rule))]
    passes = _PASSES.get(finding.rule, ())
    answers += [f"{e.kind} goes through at {e.span}" for e in loose if e.kind in passes]
    if answers:
        return Evidence(CONTRADICTED, tuple(dict.fromkeys(answers)))
    if ours or there:
        return _undecided(finding, demand, ours, there, seen)
    raised = [f"{said(each.facts)} at {each.span}" for each in seen if _raises(each, made)]
    if raised:
        return Evidence(EXECUTED, tuple(dict.fromkeys(raised)))
    if _WATCHED.match(places.line(made)):
        return Evidence(NEVER, (f"no run came to {made}",))
    return Evidence("", (f"runs do not see what is made at {made}",))


def _raises(event: Sighting, made: Span) -> bool:
    """Say whether a conversion raised: no tensor came of it."""
    return event.failed and event.is_at(made)


def lack(event: Sighting, rule: str = "") -> str:
    """Say which gradient is missing by what a run saw; nothing where none is."""
    facts, at = event.facts, f"at {event.span}"
    if event.failed:
        ours = is_of_autograd(facts) or rule not in _UNTRACKED
        return f"{said(facts)} {at}" if ours else ""
    if event.kind in ("grad", "inputs"):
        missing = not facts["arrived"] and not (rule in _UNTRACKED and facts["tracked"])
        return f"no gradient {at}, {times(event.times)}" if missing else ""
    if event.kind == "optimizer":
        trained = facts["tracked"] and facts["leaf"]
        return "" if trained else f"{facts['call']} gets it untracked {at}"
    if event.kind == "left":
        return f"`{facts['call']}` leaves it behind {at}"
    if event.kind == "step" and not (facts["moved"] or facts["arrived"]):
        return f"never moved by {facts['call']}, {times(event.times)}"
    return ""


def _answer(event: Sighting, rule: str) -> str:
    """Say which gradient is there after all."""
    facts, at = event.facts, f"at {event.span}"
    if event.kind in ("grad", "inputs") and facts["arrived"]:
        return f"the gradient is there {at}, {times(event.times)}"
    if event.kind in ("grad", "inputs") and rule in _UNTRACKED:
        return f"it is tracked {at}"
    if event.kind == "optimizer":
        return f"{facts['call']} gets it tracked {at}"
    if event.kind == "step" and facts["moved"]:
        return f"moved by {facts['call']}, {times(event.times)}"
    if event.kind == "taken":
        return f"`{facts['call']}` takes it along {at}"
    return f"{facts['call']} goes through {at}" if event.kind == "hook" else ""


def _undecided(
    finding: Finding,
    demand: Span,
    ours: Sequence[Sighting],
    there: Sequence[Sighting],
    seen: Sequence[Sighting],
) -> Evidence:
    """Say of a tensor that was made, without an answer where it is asked for, how far the runs came."""
    made = [each for each in ours if each.kind == "conversion"]
    untracked = bool(made) and not any(each.facts["tracked"] for each in made)
    if not there and untracked and finding.rule in _UNTRACKED:
        ends = [
            each
            for each in seen
            if each.kind in _ENDS and each.span.path == demand.path and is_of_autograd(each.facts)
        ]
        if ends:
            return Evidence(CONFIRMED, (f"ends before that: {lack(ends[0])}",))
    count = f"made {times(sum(each.times for each in made))}" if made else "made"
    if not there:
        return Evidence(EXECUTED, (f"{count}, but no run came to {demand}",))
    return Evidence(EXECUTED, (f"{count}; the runs show no more",))


def times(number: int) -> str:
    """Return "once" or "3 times"."""
    return "once" if number == 1 else f"{number} times"
