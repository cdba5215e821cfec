"""What became of one conversion, and why: the analysis's own findings, else the tensor's way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from fixgrad.explain.ends import End, ends
from fixgrad.explain.journey import ALIAS, ASSUMED, CARRIES, CUT, Journey, Stage
from fixgrad.explain.run import Run
from fixgrad.findings import WRONG, Finding, Refusal, Repair
from fixgrad.flow.ir import stands_in
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing, ordered
from fixgrad.hazards import span
from fixgrad.knowledge import dtype_class
from fixgrad.repair.targets import direct_demands
from fixgrad.source import Span
from fixgrad.suppressions import Suppressions

DEMANDS = {
    "grad": "its `.grad` is read",
    "optimizer": "it is given to an optimizer",
    "inputs": "its gradient is asked for by name",
    "hook": "a hook is set on it",
    "gradcheck": "its gradient is checked",
}


class Answer(NamedTuple):
    """What is to be said of one place."""

    span: Span
    verdict: str  # "repaired", "refused", "tracked", "left alone", "not followed", "no conversion"
    headline: str
    stages: tuple[Stage, ...] = ()  # to the demand, or to what matters most
    ends: tuple[End, ...] = ()
    notes: tuple[str, ...] = ()
    outcome: Repair | Refusal | None = None


def answers(run: Run, site: Site) -> list[Answer]:
    """Answer for the tensors that the conversion at a place makes."""
    things = conversions(run)[site]
    journey = Journey(run, things)
    found = _findings(run, site)
    if found:
        return [_of_finding(journey, site, outcome) for outcome in found]
    tracked = _tracked(journey, site)
    if tracked is not None:
        return [tracked]
    return [_left_alone(journey, site)]


def conversions(run: Run) -> dict[Site, list[Thing]]:
    """Return the conversions that the run came by, with the tensors each of them makes."""
    found: dict[Site, list[Thing]] = {}
    for thing in ordered(run.graph.born):
        if thing.site is not None:
            found.setdefault(thing.site, []).append(thing)
    return found


def _findings(run: Run, site: Site) -> list[Repair | Refusal]:
    """Return what the analysis says of the tensors made here; a planned repair comes first."""
    here = span(site)
    outcomes: Sequence[Repair | Refusal] = (*run.analysis.repairs, *run.analysis.refusals)
    return [
        outcome
        for outcome in outcomes
        if outcome.finding.span == here
        or here in _certain(outcome.finding)
        or _is_broken_inside(outcome.finding, here)
    ]


def _is_broken_inside(finding: Finding, here: Span) -> bool:
    """Say whether what a conversion is given is wrong where it is written: `from_numpy(a.requires_grad_())`."""
    broken = any(step.effect == WRONG for step in finding.trace)
    same = finding.span.path == here.path
    return broken and same and stands_in(finding.span[1:], here[1:])


def _certain(finding: Finding) -> list[Span]:
    """Return the places of a finding's path that are of the tensor it is about."""
    if any(step.effect == WRONG for step in finding.trace):
        return [finding.span]  # a broken use: the conversion behind it may be as it should be
    surely = takewhile(lambda step: step.effect not in (CUT, ASSUMED), finding.trace)
    return [step.span for step in surely]


def _of_finding(journey: Journey, site: Site, outcome: Repair | Refusal) -> Answer:
    finding = outcome.finding
    demand = _demand_of(journey, finding)
    stages = [Stage(span(site), "made", _made(journey, site))]
    if demand is not None:
        stages = _to_use(journey, demand, finding.message)
    what = finding.message
    if isinstance(outcome, Refusal):
        headline = f"refused with {outcome.code}: {outcome.reason}"
        notes = (f"it would be {finding.rule}: {what}", f"`fixgrad rule {outcome.code}` says more")
        return Answer(span(site), "refused", headline, tuple(stages), (), notes, outcome)
    level = f" ({outcome.applicability})"
    headline = f"repaired because of {finding.rule}: {what}{level}"
    return Answer(span(site), "repaired", headline, tuple(stages), (), (), outcome)


def _made(journey: Journey, site: Site) -> str:
    thing = next((t for t in journey.start if t.site == site), journey.start[0])
    return journey.stages(thing)[0].what if journey.stages(thing) else ""


def _demand_of(journey: Journey, finding: Finding) -> Use | None:
    """Return the recorded use that a finding ends at, reached by the surest way."""
    last = finding.end
    graph = journey.run.graph
    uses = [
        use
        for use in graph.uses.values()
        if span(use.site) == last and graph.identity(use.thing) in journey.before
    ]
    return min(uses, key=lambda u: len(journey.way(graph.identity(u.thing))), default=None)


def _to_use(journey: Journey, use: Use, what: str) -> list[Stage]:
    graph = journey.run.graph
    me = graph.identity(use.thing)
    stages = journey.stages(me)
    if use.thing is not me and use.thing.site is not None and use.thing.site != me.site:
        stages.append(Stage(span(use.thing.site), ALIAS, "the same tensor, nothing to convert"))
    path = me.path
    kept = (t for t in journey.run.watch.touches.values() if t.thing is me and t.kind == "setattr")
    for touch in [t for t in kept if t.role != "receiver"][:1]:
        stages += journey.calls(path, touch.path)
        stages.append(Stage(span(touch.site), "kept", f"as the attribute `{touch.target}`"))
        path = touch.path
    stages += journey.calls(path, use.path)
    said = DEMANDS.get(use.kind, what)
    if use.detail and use.kind in ("optimizer", "hook", "inputs", "gradcheck"):
        said = f"{said}: `{use.detail}`"
    stages.append(Stage(span(use.site), "demand", said))
    return stages


def _tracked(journey: Journey, site: Site) -> Answer | None:
    """Answer where the program tracks the tensor, or what is made of it, itself."""
    graph, watch = journey.run.graph, journey.run.watch
    own = set(journey.start)
    for use in graph.of_kind("granted"):
        me = graph.identity(use.thing)
        if me not in journey.before or not _granted_here(journey, me):
            continue
        if watch.facts.get(me, ("yes",))[0] == "no":
            continue
        which = "it" if me in own else "what is computed from it"
        headline = f"already tracked: {which} is granted its gradient at {_where(site, use.site)}"
        stages = [*journey.stages(me), Stage(span(use.site), "granted", "requires_grad is set")]
        return Answer(span(site), "tracked", headline, tuple(stages))
    for thing, before in journey.before.items():
        if thing.name == "torch.nn.Parameter" and before is not None and thing.site is not None:
            headline = f"already tracked: it becomes a parameter at {_where(site, thing.site)}"
            return Answer(span(site), "tracked", headline, tuple(journey.stages(thing)))
    facts = [watch.facts[t] for t in own if t in watch.facts]
    if any(fact.tracked == "maybe" for fact in facts):
        headline = "left alone: it may be tracked already, on some path or by a flag"
        for use in graph.of_kind("inplace"):
            if graph.identity(use.thing) in own:
                place = _where(site, use.site)
                headline = f"left alone: what is written into it at {place} may be tracked"
        return Answer(span(site), "left alone", headline, (), tuple(ends(journey)))
    return None


def _granted_here(journey: Journey, thing: Thing) -> bool:
    """Say whether a grant means the tensor: it is computed from it, or is its `Variable`."""
    way = journey.way(thing)
    wrapped = journey.run.graph.born.get(thing) == "wrapped"
    return {effect for _, effect in (way[1:-1] if wrapped else way[1:])} <= {CARRIES}


def _left_alone(journey: Journey, site: Site) -> Answer:
    last = tuple(ends(journey))
    notes = list(_notes(journey, site))
    asked = _asked(journey, site)
    backward = None if asked else _backward(journey, site)
    if asked is not None:
        headline, stages = asked
    elif backward is not None:
        headline, stages = backward
    else:
        headline = "left alone: no demand for a gradient reaches it"
        stages = _way_to(last)
    return Answer(span(site), "left alone", headline, stages, last, tuple(notes))


_BY_COMMENT = "a comment says that it is data, and is taken at its word"
_BY_THE_PROGRAM = "the program says requires_grad=False itself, and is taken at its word"


def _way_to(last: Sequence[End]) -> tuple[Stage, ...]:
    """Return the way to the use that tells most, where it is one."""
    return last[0].stages if last and len(last[0].stages) > 1 else ()


def _notes(journey: Journey, site: Site) -> list[str]:
    run = journey.run
    notes: list[str] = []
    born = {run.graph.born.get(thing, "") for thing in journey.start}
    if born == {"size"}:
        notes.append("it is made of sizes, not of data: fixgrad looks at what is made of data")
    if any(thing in run.graph.refused for thing in journey.before):
        commented = Suppressions(list(run.sources.values())).is_data
        by_comment = any(t.site is not None and commented(span(t.site)) for t in journey.before)
        notes.append(_BY_COMMENT if by_comment else _BY_THE_PROGRAM)
    calls = {thing.path for thing in journey.start}
    if len(calls) > 1:
        notes.append(f"{len(calls)} chains of calls lead here; all of them are looked at")
    if run.graph.capped and any(_within(run, site, where) for where in run.graph.capped):
        notes.append("this function is called so often that not every call was followed")
    return notes


def _within(run: Run, site: Site, where: tuple[str, tuple[int, int, int, int]]) -> bool:
    return run.project.function_at(site.path, site.place) == where


def _asked(journey: Journey, site: Site) -> tuple[str, tuple[Stage, ...]] | None:
    """Say why a use that would be a demand is none for this tensor."""
    graph = journey.run.graph
    hidden = Suppressions(list(journey.run.sources.values())).hide
    wanted = {(d.use.kind, d.use.site): d for d in direct_demands(graph)}
    for use in graph.of_kind(*DEMANDS):
        me = graph.identity(use.thing)
        if me not in journey.before:
            continue
        effects = journey.effects(me)
        stages = tuple(_to_use(journey, use, ""))
        place = _where(site, use.site)
        if effects & {CUT, ASSUMED} and use.tracked != "no":
            continue  # that tensor has a grant of its own: its finding is not about this one
        demand = wanted.get((use.kind, use.site))
        if demand is not None and hidden(demand.rule, span(site)):
            return f"left alone: a comment here silences {demand.rule}", stages
        if me in graph.manual:
            return f"left alone: the program sets its `.grad` by hand before {place}", stages
        if use.tracked != "no":
            which = "it" if me in journey.start else "what is computed from it"
            return f"left alone: at {place} {which} is, or may be, tracked already", stages
        others = _other_sources(journey, me)
        if graph.origins(me) is None and others:
            return f"left alone: at {place} {others} may have tracked it", stages
        if demand is None:
            return (
                f"left alone: the gradient read at {place} is tested for, or expected to be none",
                stages,
            )
    return None


def _other_sources(journey: Journey, thing: Thing) -> str:
    graph = journey.run.graph
    for source in graph.upstream([thing]):
        if source.kind == "opaque" and source.site is not None:
            return f"`{journey.run.short(source.site)}`, which is not known,"
        if source.name.startswith(("torch.nn.Parameter", "parameter")):
            return "a parameter"
    return ""


def _backward(journey: Journey, site: Site) -> tuple[str, tuple[Stage, ...]] | None:
    """Say what the backward passes through a tensor differentiate instead."""
    graph = journey.run.graph
    best: tuple[int, str, tuple[Stage, ...]] | None = _made_anew(journey, site)
    for use in graph.of_kind("backward"):
        me = graph.identity(use.thing)
        if me not in journey.before:
            continue
        effects = journey.effects(me)
        rank = 4 if CUT in effects else 3 if ASSUMED in effects else 1
        if best is not None and best[0] <= rank:
            continue
        others = _differentiated(journey, me)
        stages = (*journey.stages(me), *journey.calls(me.path, use.path))
        stages = (*stages, Stage(span(use.site), "backward", others))
        place = _where(site, use.site)
        if rank == 4:
            said = f"on its way to the backward pass at {place} {_cut(journey, site, me)}"
        elif rank == 3:
            said = f"the backward pass at {place} starts from what unknown code made of it"
            said = f"{said} and {others}"
        else:
            said = f"the backward pass at {place} runs through it and {others}"
        best = rank, f"left alone: nobody asks for its gradient; {said}", stages
    return best[1:] if best else None


def _made_anew(journey: Journey, site: Site) -> tuple[int, str, tuple[Stage, ...]] | None:
    """Say where the program itself makes a tracked tensor of the values."""
    graph = journey.run.graph
    for use in graph.of_kind("granted"):
        me = graph.identity(use.thing)
        if (
            me in journey.before
            and CUT in journey.effects(me)
            and ASSUMED not in journey.effects(me)
        ):
            place = _where(site, use.site)
            said = (
                f"left alone: the program makes a tracked tensor of its values itself, at {place}"
            )
            stages = (*journey.stages(me), Stage(span(use.site), "granted", "requires_grad is set"))
            return 2, said, stages
    return None


def _cut(journey: Journey, site: Site, thing: Thing) -> str:
    """Say where the way to a tensor is cut first."""
    graph = journey.run.graph
    for step, effect in journey.way(thing):
        if effect != CUT or step.site is None:
            continue
        made = graph.made.get(step)
        place = _where(site, step.site)
        if made is not None and dtype_class(made.dtype) in ("integer", "bool"):
            first = graph.made.get(journey.way(thing)[0][0])
            if first is not None and first.dtype == made.dtype:
                return f"it holds {made.dtype}, and integers carry no gradient"
            return f"it becomes a tensor of {made.dtype} at {place}, which carries no gradient"
        name = made.effect if made is not None else "a call"
        return f"its gradient is cut by `{name}` at {place}"
    return "its gradient is cut"


def _differentiated(journey: Journey, root: Thing) -> str:
    """Name what is tracked upstream of a backward pass."""
    run = journey.run
    names: dict[str, None] = {}
    unknown = False
    repaired = {span for r in run.analysis.repairs for span in _certain(r.finding)}
    for thing in run.graph.upstream([root]):
        unknown = unknown or thing.kind == "opaque" or thing in run.graph.impure
        fact = run.watch.facts.get(thing)
        if thing.name.startswith("parameter of"):
            names[f"the parameters of `{thing.name.removeprefix('parameter of ')}`"] = None
        elif thing.site is not None:
            name = run.graph.variables.get((thing.path, thing)) or run.short(thing.site)
            if thing.name == "torch.nn.Parameter" or (fact and fact.tracked == fact.leaf == "yes"):
                names[f"`{name}`"] = None
            elif span(thing.site) in repaired and run.graph.is_conversion(thing):
                names[f"`{name}`, once that is repaired"] = None
    if not names:
        tracks = "what unknown code may have tracked" if unknown else "no tensor that is tracked"
        return f"differentiates {tracks}"
    listed = list(names)
    more = f" and {len(listed) - 2} more" if len(listed) > 3 else ""
    return f"differentiates {', '.join(listed[:2] if more else listed)}{more}"


def _where(site: Site, other: Site) -> str:
    line = other.place[0]
    return f"line {line}" if site.path == other.path else f"{other.path}:{line}"
