"""Judges a repair by two runs: was the gradient missing before, is it there after, did nothing get worse."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from math import isclose
from typing import NamedTuple

from fixgrad.findings import Repair
from fixgrad.proof.claims import Claim
from fixgrad.proof.observed import Observed
from fixgrad.runtime.records import Event, is_of_autograd, said

PROVED = "proved"
REFUTED = "refuted"
NOT_REACHED = "not reached"
_GRADIENTS = ("arrival", "grad", "inputs")
_DEMANDS = ("grad", "optimizer", "inputs", "backward", "autograd", "hook", "gradcheck", "refused")
_OTHERWISE = ("FG203", "FG209")  # a gradient is there, and it is not the right one
_UNREGISTERED = "FG301"


class Verdict(NamedTuple):
    """What two runs showed of a repair."""

    repair: Repair
    outcome: str
    before: str  # what was missing: "`.grad` is None"
    after: str  # what came of it: "arrived at line 9, moved by SGD"
    note: str = ""
    check: str = ""  # what finite differences say


class Pair(NamedTuple):
    """The claims and the runs of a repair: before and after it."""

    old: Claim
    new: Claim
    before: Observed
    after: Observed


def judge(repair: Repair, pair: Pair, worse: str) -> Verdict:
    """Return the verdict on one repair; `worse` says what got worse because of it."""
    old = _missing(pair)
    if worse:
        return Verdict(repair, REFUTED, old.text, worse)
    if not old.missing:
        return Verdict(repair, REFUTED, old.text, "it was there without the repair")
    new = _granted(pair) if pair.new.grants else _mended(pair)
    note = _zero(pair) if new[0] == PROVED else ""
    return Verdict(repair, new[0], old.text, new[1], note)


class _Before(NamedTuple):
    missing: bool
    text: str


def _missing(pair: Pair) -> _Before:
    """Say what the original lacks; where nothing is seen of it, the run ended earlier."""
    run, claim = pair.before, pair.old
    for region in filter(None, (claim.demand, *claim.touched, claim.conversion)):
        errors = run.errors_on(region)
        if errors:
            return _Before(True, f"{said(errors[0].facts)} at line {_line(run, errors[0])}")
    events = [event for event, _ in run.at(claim.demand or claim.conversion, *_DEMANDS)]
    linked = [event for event in events if run.came_by(event, claim.conversion)]
    for event in linked or [event for event in events if not event.facts.get("known")]:
        if event.kind in ("grad", "inputs") and not event.arrived:
            return _Before(True, "`.grad` is None" if event.kind == "grad" else "no gradient")
        if event.kind == "optimizer" and not event.facts["tracked"]:
            return _Before(True, f"{event.facts['call']} gets it untracked and never moves it")
    if linked and claim.grants and claim.rule not in _OTHERWISE:
        return _Before(False, "the gradient is there")
    left = [event for event in run.records.of("left") if run.came_by(event, claim.conversion)]
    if claim.rule == _UNREGISTERED and left:
        return _Before(True, f"`{left[0].facts['call']}` leaves it behind")
    fatal = run.fatal()
    if fatal:
        return _Before(True, f"ends earlier: {said(fatal[0].facts)}")
    return _Before(True, "see after" if linked else f"nothing seen ({run.ran.ending})")


def _line(run: Observed, event: Event) -> str:
    place = event.place or event.frames[-1]
    seen = run.files.seen(place)
    return str(seen.span.line if seen else place.line)


def _granted(pair: Pair) -> tuple[str, str]:
    """Judge a repair that makes a leaf: did its gradient arrive, where it is asked for too."""
    run, claim = pair.after, pair.new
    leaf = [e for e in run.records.events if any(run.came_by(e, grant) for grant in claim.grants)]
    arrivals = [event for event in leaf if event.kind in _GRADIENTS and event.arrived]
    asked = _answers(run, claim, leaf)
    contents = [e for e in leaf if e.kind == "gradient"]
    if asked and not any(answer for answer, _ in asked):
        return REFUTED, asked[0][1]
    if arrivals and contents and not any(e.facts["finite"] for e in contents):
        return REFUTED, "the gradient arrives but is not finite"
    checked = [text for answer, text in asked if answer and text == _CHECKED]
    if arrivals or checked:
        return PROVED, _arrival(run, arrivals, leaf) if arrivals else checked[0]
    errors = [e for grant in claim.grants for e in run.errors_on(grant)]
    if errors:
        return REFUTED, f"{said(errors[0].facts)} at line {_line(run, errors[0])}"
    views = [event for event, _ in run.at(claim.demand, "inputs") if not event.failed]
    if views and all(event.arrived for event in views):  # of what is granted: they are no leaves
        return PROVED, _arrival(run, views, views)
    if any(run.at(claim.demand, "backward", "autograd")):
        return REFUTED, "a backward pass goes through, but no gradient arrives"
    if not any(map(run.reached, (*claim.grants, claim.conversion))):
        return (
            NOT_REACHED,
            f"the run never comes to line {claim.conversion.line} ({run.ran.ending})",
        )
    if any(
        event.kind in ("backward", "autograd") for event in run.records.events if not event.failed
    ):
        return _without_arrival(run, claim)
    return NOT_REACHED, f"no backward pass is made ({run.ran.ending})"


def _without_arrival(run: Observed, claim: Claim) -> tuple[str, str]:
    """Judge a leaf of which no gradient is seen in a run that has backward passes."""
    if claim.demand is not None and not run.reached(claim.demand):
        where = f"line {claim.demand.line}"
        return NOT_REACHED, f"the run never asks for it at {where} ({run.ran.ending})"
    return REFUTED, "no gradient arrives"


_CHECKED = "the check goes through"


def _answers(run: Observed, claim: Claim, leaf: list[Event]) -> list[tuple[bool, str]]:
    """Return for what is asked at the demand whether it is answered, and what is to be said."""
    demand = claim.demand
    events = [event for event, _ in run.at(demand, *_DEMANDS)]
    passed = [event for event in events if not event.failed]
    ours = [event for event in passed if event in leaf]
    ours = ours or [event for event in passed if run.came_by(event, claim.conversion)]
    unknown = [event for event in passed if not event.facts.get("known")]
    answers: list[tuple[bool, str]] = []
    for event in ours or unknown:
        line = f"at line {demand.line}" if demand else ""
        if event.kind in ("grad", "inputs"):
            answers.append((event.arrived, "" if event.arrived else f"no gradient {line}, still"))
        elif event.kind == "optimizer":
            good = event.facts["tracked"] and event.facts["leaf"]
            answers.append((good, "" if good else f"{event.facts['call']} still gets it untracked"))
        elif event.kind == "gradcheck":
            answers.append((True, _CHECKED))
    if not answers:
        failed = [event for event in events if event.failed]
        answers += [(False, said(event.facts)) for event in failed if not passed]
    return answers


def _arrival(run: Observed, arrivals: list[Event], leaf: list[Event]) -> str:
    first = next((e for e in arrivals if e.kind == "arrival"), arrivals[0])
    seen = run.seen(first)
    text = f"arrives at line {seen.span.line}" if seen else "arrives"
    times = max(event.times for event in arrivals)
    text += f", {times} times" if times > 1 else ""
    values = [event for event in leaf if event.kind == "gradient" and event.facts.get("some")]
    if values:
        some = values[0].facts["some"]
        more = ", ..." if len(some) >= 4 else ""
        text += ", first " if times > 1 else ", "
        text += f"[{', '.join(_number(value) for value in some)}{more}]"
    steps = [event for event in leaf if event.kind == "step"]
    moved = sorted({event.facts["call"] for event in steps if event.facts["moved"]})
    if moved:
        return f"{text}; moved by {', '.join(moved)}"
    return f"{text}; not moved by {steps[0].facts['call']}" if steps else text


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _zero(pair: Pair) -> str:
    """Say so where a gradient arrives that is zero, and nothing else."""
    run = pair.after
    leaf = (
        event
        for event in run.records.of("gradient")
        if any(run.came_by(event, grant) for grant in pair.new.grants)
    )
    zero = [not event.facts["nonzero"] for event in leaf]
    return "the gradient is zero wherever it was looked at" if zero and all(zero) else ""


def _mended(pair: Pair) -> tuple[str, str]:
    """Judge a repair that makes no leaf: a line that fails no more, or a gradient that is another."""
    errors = [error for region in pair.new.touched for error in pair.after.errors_on(region)]
    if errors:
        return REFUTED, f"{said(errors[0].facts)} at line {_line(pair.after, errors[0])}"
    if pair.old.rule == _UNREGISTERED:
        return _taken_along(pair)
    failed = any(pair.before.errors_on(region) for region in pair.old.touched)
    came = any(pair.after.reached(region, lines=True) for region in pair.new.touched)
    if failed or (came and pair.before.ran.code != 0):
        return PROVED, "the line goes through"
    better = sorted(_improved(pair))
    if better:
        return PROVED, better[0]
    there = any(pair.before.reached(region, lines=True) for region in pair.old.touched)
    gone = [error for error in pair.before.fatal() if is_of_autograd(error.facts)]
    if there and gone and pair.after.ran.code == 0:
        return PROVED, f"the program goes through, without {said(gone[0].facts)}"
    if not (came or there):
        return NOT_REACHED, f"the run never comes to line {pair.new.touched[0].line}"
    # what is written in torch may be nothing that is watched, on a line that the original came to
    if any(True for _ in pair.after.records.of("arrival")):
        return REFUTED, "no gradient arrives that was not there before"
    return NOT_REACHED, f"no backward pass is made ({pair.after.ran.ending})"


def _taken_along(pair: Pair) -> tuple[str, str]:
    """Judge a repair that registers a tensor: does its module take it along when it is moved."""
    run, claim = pair.after, pair.new
    for event in run.records.of("taken"):
        if run.came_by(event, claim.conversion):
            line = event.place.line if event.place else 0
            return PROVED, f"`{event.facts['call']}` takes it along at line {line}"
    for event in run.records.of("left"):
        if run.came_by(event, claim.conversion):
            return REFUTED, f"`{event.facts['call']}` leaves it behind, still"
    if not run.reached(claim.conversion):
        return NOT_REACHED, f"the run never comes to line {claim.conversion.line}"
    return NOT_REACHED, f"its module is not moved ({run.ran.ending})"


def _improved(pair: Pair) -> Iterable[str]:
    """Yield the gradients that are there after, or other ones, by the lines of the new text."""
    before, after = _by_line(pair.before), _by_line(pair.after)
    asked = {key[:2] for key in before}  # where the original was asked for gradients, or gave some
    for key, events in after.items():
        known, (_, text, made) = before.get(key, []), key
        arrived = [e for e in events if e.kind in _GRADIENTS and e.arrived]
        missed = not any(e.arrived for e in known if e.kind in _GRADIENTS)
        if arrived and missed and (known or (made and key[:2] in asked)):
            whose = f"of `{made}` " if made else ""
            yield f"the gradient {whose}arrives where `{text}` stands"
        values = [e.facts.get("some") for e in events if e.kind == "gradient"]
        others = [e.facts.get("some") for e in known if e.kind == "gradient"]
        if values and others and not _are_close(values[0], others[0]):
            yield f"the gradient is {_shown(values[0])}, it was {_shown(others[0])}"


def _by_line(run: Observed) -> dict[tuple[str, str, str], list[Event]]:
    """Return the events by the file, the text of their line and of that which made the tensor.

    An edit elsewhere leaves them alone.
    """
    found: dict[tuple[str, str, str], list[Event]] = {}
    for event in run.records.of("gradient", *_GRADIENTS):
        seen = run.seen(event)
        if seen is not None:
            made = run.files.seen(event.route[0].place) if event.route else None
            source = run.files.line(made.span) if made is not None else ""
            key = (seen.span.path, run.files.line(seen.span), source)
            found.setdefault(key, []).append(event)
    return found


def _are_close(values: object, others: object) -> bool:
    """Say whether two gradients are the same but for how they were rounded on the way."""
    pairs = list(zip_longest(_numbers(values), _numbers(others)))
    return all(
        one == other
        or (
            isinstance(one, float)
            and isinstance(other, float)
            and isclose(one, other, rel_tol=1e-3)
        )
        for one, other in pairs
    )


def _numbers(values: object) -> list[float | str]:
    return values if isinstance(values, list) else []


def _shown(values: object) -> str:
    return f"[{', '.join(map(_number, _numbers(values)))}]"
