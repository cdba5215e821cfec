"""From sources to findings with their repairs or refusals."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fixgrad.depth import deeply
from fixgrad.findings import DEMAND, WRONG, Applicability, Finding, Refusal, Repair, Step
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker, Project
from fixgrad.flow.lower import lower
from fixgrad.flow.neighbours import neighbours
from fixgrad.flow.values import Site
from fixgrad.hazards import Hazard, line_of, seen_from, span
from fixgrad.project import Surroundings
from fixgrad.repair.bounds import is_ours, where_said
from fixgrad.repair.plan import Planned, plan
from fixgrad.repair.targets import Target
from fixgrad.source import Problem, Source, Span
from fixgrad.suppressions import Suppressions
from fixgrad.traces import Tracer, ended


class Analysis(NamedTuple):
    """What was found, and what could not be read."""

    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]
    problems: tuple[Problem, ...]


def analyse(
    sources: Sequence[Source],
    *,
    unsafe: bool,
    selected: Callable[[str], bool],
    around: Surroundings | None = None,
) -> Analysis:
    """Find what has no gradient in a project and plan what gives it one.

    Safe repairs are planned as if the unsafe ones were not made, unless `unsafe` says they will be.
    What stands `around` the sources is read as far as it matters, and left as it is.
    """
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end; collecting costs a fifth of the time
    try:
        return deeply(lambda: _analyse(sources, unsafe, selected, around))
    finally:
        if collecting:
            gc.enable()


def _analyse(
    sources: Sequence[Source],
    unsafe: bool,
    selected: Callable[[str], bool],
    around: Surroundings | None,
) -> Analysis:
    lowered = [lower(source) for source in sources]
    problems = tuple(p for p in lowered if isinstance(p, Problem))
    modules = [m for m in lowered if isinstance(m, Module)]
    others = neighbours(modules, around) if around is not None else {}
    given = frozenset(m.path for m in modules) if others else None
    project = Project([*modules, *others.values()], around, given)
    base = Linker(project).run()
    every = [*sources, *others]
    found = conclude(project, base, every, unsafe=unsafe, selected=selected)
    return found._replace(problems=problems)


def conclude(
    project: Project,
    base: FlowGraph,
    sources: Sequence[Source],
    *,
    unsafe: bool,
    selected: Callable[[str], bool],
) -> Analysis:
    """Plan what a run over a project shows; its files had no problem."""
    hidden = Suppressions(sources).hide
    planned = plan(project, base, selected, hidden)
    if not unsafe and any(p.applicability < Applicability.SAFE for p in planned):
        planned = _safe_first(project, base, selected, hidden, planned)
    repairs: dict[tuple[object, ...], Repair] = {}
    refusals: dict[tuple[object, ...], Refusal] = {}
    for each in planned:
        if not _is_ours(project, each):
            continue
        finding = _finding(project, base, each)
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
    return Analysis(
        tuple(sorted(repairs.values(), key=lambda r: (r.finding.span, r.finding.rule))),
        tuple(sorted(left_alone, key=lambda r: (r.finding.span, r.finding.rule))),
        (),
    )


def _safe_first(
    project: Project,
    base: FlowGraph,
    selected: Callable[[str], bool],
    hidden: Callable[[str, Span], bool],
    planned: list[Planned],
) -> list[Planned]:
    unsafe = [p for p in planned if p.applicability < Applicability.SAFE]
    rules = {p.target.rule if p.target else p.hazard.rule if p.hazard else "" for p in unsafe}
    safe = plan(project, base, lambda rule: selected(rule) and rule not in rules, hidden)
    return [*safe, *(p for p in planned if p in unsafe or _rule(p) in rules)]


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
    if planned.target is not None:
        return _finding_of_target(project, graph, planned.target, planned.refusal[0])
    assert planned.hazard is not None
    return _finding_of_hazard(project, graph, planned.hazard)


def _finding_of_target(project: Project, graph: FlowGraph, target: Target, refusal: str) -> Finding:
    origin = target.origin.site or Site("", (1, 0, 1, 0))
    demand = target.demands[0]
    made = target.thing.site
    name = graph.variables.get((target.thing.path, graph.identity(target.thing)))
    tensor = f"`{name}`" if name else "this tensor"
    where, said = origin, "demanded here"
    if target.rule in ("FG201", "FG203", "FG204"):
        message = demand.what
        where = made if target.rule == "FG203" and made is not None else origin
    else:
        place = line_of(demand.use.site)
        message = f"{tensor} is not tracked by autograd, but {demand.what} at {place}"
        said = f"{said}: {demand.what}"
    where = where_said(project, target, where)
    tracer = Tracer(project, graph)
    steps = tracer.trace(target.origin, target.thing, demand.use)
    steps = ended(steps, Step(span(demand.use.site), said, DEMAND))
    if refusal == "FG902" and demand.use.kind != "backward":
        steps += tracer.to_cut(target.thing)
    message = seen_from(where.path, message)
    return Finding(target.rule, span(where), message, "high", tuple(steps))


def _finding_of_hazard(project: Project, graph: FlowGraph, hazard: Hazard) -> Finding:
    place = _place_of_hazard(hazard)
    message = seen_from(place.path, hazard.what)
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
}


def _title(planned: Planned) -> str:
    if planned.hazard is None:
        return "grant the gradient where the tensor is made"
    if planned.hazard.rule in _TITLES:
        return _TITLES[planned.hazard.rule]
    if any(o.kind == "wrap-with" for o in planned.operations):
        return "update the leaf under no_grad"
    return "grant the gradient again"
