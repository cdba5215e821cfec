"""What a followed project means: findings, each with its repair or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import NamedTuple, TypeAlias

from fixgrad.findings import DEMAND, WRONG, Finding, Refusal, Repair, Step
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.project import Project
from fixgrad.hazards import Hazard, line_of, seen_from, span
from fixgrad.policy import Policy
from fixgrad.repair.bounds import is_ours, said_at
from fixgrad.repair.plan import Planned, plan
from fixgrad.repair.targets import INTEGER, Target
from fixgrad.source import Problem, Source, Span
from fixgrad.suppressions import Suppressions, unused_suppression
from fixgrad.suppressions.unused_suppression import unused
from fixgrad.traces import Tracer, ended

Hidden: TypeAlias = Callable[[str, Span], bool]


class Study(NamedTuple):
    """A project, or a part of one, that was followed once, to be planned for as often as one likes."""

    project: Project
    base: FlowGraph
    sources: tuple[Source, ...]  # also those around the given ones


class Analysis(NamedTuple):
    """What was found, and what could not be read."""

    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    problems: tuple[Problem, ...] = ()
    deferred: int = 0  # findings that a comment leaves for later
    study: Study | None = None  # what it is concluded from, where that is one and was kept
    others: tuple[Source, ...] = ()  # not given: of paths, or edited all the same


class _Draft(NamedTuple):
    """What is found in one study, before it is asked which of it is known."""

    study: Study
    suppressions: Suppressions
    hidden: Hidden
    planned: Sequence[Planned]
    repairs: Sequence[Repair]
    refusals: Sequence[Refusal]
    comments: Sequence[Repair]  # the rule about those without use

    def findings(self) -> list[Finding]:
        return [*(r.finding for r in self.repairs), *(r.finding for r in self.refusals)]


def conclude(studies: Sequence[Study], policy: Policy) -> Analysis:
    """Plan what gives a gradient to what has none; the files of the studies had no problem.

    Repairs are planned as if those that the policy does not make were not made.
    """
    drafts = [_drafted(study, policy) for study in studies]
    findings = [finding for draft in drafts for finding in draft.findings()]
    shown = policy.shown_by_runs(findings)
    contradicted = set(map(_place_of, shown)) & {
        (finding.rule, finding.span) for finding in findings
    }
    seen = [each for each in shown if _is_wanted(each, policy, drafts)]
    findings += [comment.finding for draft in drafts for comment in draft.comments]
    findings += [each.finding for each in seen if _place_of(each) not in contradicted]
    known = policy.passed_over(findings)
    seen = [each for each in seen if _place_of(each) not in known]
    found = [_settled(draft, policy, known | contradicted) for draft in drafts]
    return together([*found, Analysis(refusals=tuple(seen))])


def together(found: Sequence[Analysis]) -> Analysis:
    """Return as one what was found in several parts."""
    repairs = [repair for each in found for repair in each.repairs]
    refusals = [refusal for each in found for refusal in each.refusals]
    return Analysis(
        tuple(sorted(repairs, key=lambda r: (r.finding.span, r.finding.rule))),
        tuple(sorted(refusals, key=lambda r: (r.finding.span, r.finding.rule))),
        tuple(problem for each in found for problem in each.problems),
        sum(each.deferred for each in found),
        others=tuple(dict.fromkeys(source for each in found for source in each.others)),
    )


def _drafted(study: Study, policy: Policy) -> _Draft:
    project, base, sources = study
    suppressions = Suppressions(sources)
    _take_for_data(base, suppressions)

    def hidden(rule: str, place: Span) -> bool:
        return suppressions.hide(rule, place) or policy.left_alone(rule, place)

    planned = _planned(project, base, policy, hidden)
    repairs, refusals = _sorted_out(project, base, planned, policy)
    comments: list[Repair] = []
    if policy.selected(unused_suppression.CODE):
        judged = (s for s in sources if s.path in project.modules and project.is_given(s.path))
        comments = [r for s in judged for r in unused(suppressions, s, policy)]
    return _Draft(study, suppressions, hidden, planned, repairs, refusals, comments)


def _settled(draft: _Draft, policy: Policy, aside: Set[tuple[str, Span]]) -> Analysis:
    """Plan again without what is known already, where there is such."""
    project, base, sources = draft.study
    repairs, refusals = draft.repairs, draft.refusals
    without = [each for each in draft.planned if _key(project, each) in aside]
    if without:
        planned = _planned(project, base, policy, _besides(project, without, draft.hidden))
        repairs, refusals = _sorted_out(project, base, planned, policy)
    every = [
        r for r in (*repairs, *draft.comments) if (r.finding.rule, r.finding.span) not in aside
    ]
    return Analysis(
        tuple(every),
        tuple(refusals),
        deferred=draft.suppressions.deferred(),
        others=_others(project, sources, every, refusals),
    )


def _others(
    project: Project,
    sources: Sequence[Source],
    repairs: Sequence[Repair],
    refusals: Sequence[Refusal],
) -> tuple[Source, ...]:
    """Return the files that nobody gave and that a finding leads to, or a repair edits."""
    named = {operation.span.path for repair in repairs for operation in repair.operations}
    findings = [repair.finding for repair in repairs] + [refusal.finding for refusal in refusals]
    named.update(step.span.path for finding in findings for step in finding.trace)
    return tuple(s for s in sources if s.path in named and not project.is_given(s.path))


def _place_of(found: Refusal | Repair) -> tuple[str, Span]:
    return found.finding.rule, found.finding.span


def _is_wanted(refusal: Refusal, policy: Policy, drafts: Sequence[_Draft]) -> bool:
    """Say whether a finding that runs show is one to report, as those of the analysis are."""
    finding = refusal.finding
    rule, place = finding.rule, finding.span
    draft = next((d for d in drafts if place.path in d.study.project.modules), None)
    if draft is None or not draft.study.project.is_given(place.path):
        return False
    wanted = policy.reports(finding.confidence) and policy.selected(rule)
    is_data = any(draft.suppressions.is_data(step.span) for step in finding.trace)
    return wanted and not draft.hidden(rule, place) and not is_data


def _take_for_data(base: FlowGraph, suppressions: Suppressions) -> None:
    """Take the user's word for what is not meant to be trained, as for `requires_grad=False`."""
    if not suppressions.mark_data():
        return
    for thing in {*base.made, *base.born}:
        sites = (*((thing.site,) if thing.site else ()), *base.returned_by(thing))
        if any(suppressions.is_data(span(site)) for site in sites):
            base.refused |= {thing, base.identity(thing)}


def _sorted_out(
    project: Project, base: FlowGraph, planned: Sequence[Planned], policy: Policy
) -> tuple[list[Repair], list[Refusal]]:
    """Return one repair or refusal for each finding; several plans for one are one repair."""
    repairs: dict[tuple[object, ...], Repair] = {}
    refusals: dict[tuple[object, ...], Refusal] = {}
    for each in planned:
        if not _is_ours(project, each):
            continue
        finding = _finding(project, base, each)
        if not policy.reports(finding.confidence):
            continue
        key = (finding.rule, finding.span)
        if each.refusal[0]:
            code, reason = each.refusal
            reason = seen_from(finding.span.path, reason)
            refusals.setdefault(key, Refusal(finding, code, reason))
        elif key in repairs:
            merged = dict.fromkeys((*repairs[key].operations, *each.operations))
            repairs[key] = repairs[key]._replace(operations=tuple(merged))
        else:
            repairs[key] = Repair(finding, each.operations, each.applicability, _title(each))
    left_alone = [r for key, r in refusals.items() if key not in repairs]
    return list(repairs.values()), left_alone


def _levelled(planned: Sequence[Planned], policy: Policy) -> list[Planned]:
    return [p._replace(applicability=policy.level(_rule(p), p.applicability)) for p in planned]


def _is_made(planned: Planned, policy: Policy) -> bool:
    return bool(planned.refusal[0]) or policy.makes(_rule(planned), planned.applicability)


def _planned(
    project: Project, base: FlowGraph, policy: Policy, hidden: Callable[[str, Span], bool]
) -> list[Planned]:
    """Plan what is made as if the rest was left alone; what is not made is as planned together."""
    planned = _levelled(plan(project, base, policy.selected, hidden, policy.style), policy)
    aside = [p for p in planned if not _is_made(p, policy)]
    if not aside:
        return planned
    hidden = _besides(project, aside, hidden)
    made = plan(project, base, policy.selected, hidden, policy.style)
    return [*_levelled(made, policy), *aside]


def _besides(
    project: Project, aside: Sequence[Planned], hidden: Callable[[str, Span], bool]
) -> Callable[[str, Span], bool]:
    left = {place for each in aside for place in _places(project, each)}
    return lambda rule, place: (rule, place) in left or hidden(rule, place)


def _key(project: Project, planned: Planned) -> tuple[str, Span]:
    """Return the rule and the place of the finding."""
    if planned.target is not None:
        return planned.target.rule, said_at(project, planned.target)
    assert planned.hazard is not None
    return planned.hazard.rule, _place_of_hazard(planned.hazard)


def _places(project: Project, planned: Planned) -> set[tuple[str, Span]]:
    """Return where the planner asks whether a finding is to be left alone."""
    target = planned.target
    if target is None:
        assert planned.hazard is not None
        return {(planned.hazard.rule, span(planned.hazard.use.site))}
    wrong = (demand.use.site for demand in target.demands if demand.rule == target.rule)
    return {(target.rule, said_at(project, target)), *((target.rule, span(s)) for s in wrong)}


def _rule(planned: Planned) -> str:
    if planned.target is not None:
        return planned.target.rule
    return planned.hazard.rule if planned.hazard is not None else ""


def _is_ours(project: Project, planned: Planned) -> bool:
    if planned.target is not None:
        return is_ours(project, planned.target, planned.operations)
    assert planned.hazard is not None
    return project.is_given(_place_of_hazard(planned.hazard).path)


def _finding(project: Project, graph: FlowGraph, planned: Planned) -> Finding:
    if planned.hazard is not None:
        return _finding_of_hazard(project, graph, planned.hazard)
    assert planned.target is not None
    return _finding_of_target(project, graph, planned.target, planned.refusal[0])


_WHOLE = ("FG201", "FG203", INTEGER)  # what these rules say is a sentence by itself


def _finding_of_target(project: Project, graph: FlowGraph, target: Target, refusal: str) -> Finding:
    demand = target.demands[0]
    name = graph.variables.get((target.thing.path, graph.identity(target.thing)))
    tensor = f"`{name}`" if name else "this tensor"
    said = "demanded here"
    if demand.rule in _WHOLE:
        message = demand.what
    else:
        state = "is not tracked by autograd"
        if target.rule == INTEGER:
            state = f"is made of {graph.made[graph.identity(target.thing)].dtype}"
        message = f"{tensor} {state}, but {demand.what} at {line_of(demand.use.site)}"
        said = f"{said}: {demand.what}"
    where = said_at(project, target)
    tracer = Tracer(project, graph)
    steps = tracer.trace(target.origin, target.thing, demand.use)
    steps = ended(steps, Step(span(demand.use.site), said, DEMAND))
    if (refusal == "FG902" or target.lifted) and demand.use.kind != "backward":
        steps += tracer.to_cut(target.thing)
    message = seen_from(where.path, message)
    return Finding(target.rule, where, message, "high", tuple(steps))


def _finding_of_hazard(project: Project, graph: FlowGraph, hazard: Hazard) -> Finding:
    place = _place_of_hazard(hazard)
    message = seen_from(place.path, hazard.what)
    if hazard.trace:
        return Finding(hazard.rule, place, message, "high", hazard.trace)
    use = hazard.use
    origins = [t for t in graph.upstream([use.thing], through_cuts=True) if t in graph.born]
    steps = Tracer(project, graph).trace(origins[0], use.thing, use) if origins else []
    last = Step(span(use.site), "wrong here", WRONG)
    return Finding(hazard.rule, place, message, "high", tuple(ended(steps, last)))


def _place_of_hazard(hazard: Hazard) -> Span:
    if hazard.rule == "FG209" and hazard.use.thing.site is not None:
        return span(hazard.use.thing.site)
    return span(hazard.use.site)


_TITLES = {
    "FG201": "remove the keyword",
    "FG202": "read the gradient of the tensor",
    "FG205": "clone the tensor within the graph",
    "FG208": "detach the value",
    "FG209": "give the tensor memory of its own",
    "FG301": "register it as a buffer",
}


def _title(planned: Planned) -> str:
    if planned.target is not None and planned.target.lifted:
        lifting = "write the NumPy code in torch"
        granted = planned.hazard is None
        return f"grant the gradient, and {lifting}" if granted else lifting
    if planned.hazard is None:
        return "grant the gradient where the tensor is made"
    if planned.hazard.rule in _TITLES:
        return _TITLES[planned.hazard.rule]
    if any(o.kind == "wrap-with" for o in planned.operations):
        return "update the leaf under no_grad"
    return "grant the gradient again"
