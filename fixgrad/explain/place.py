"""Finds what stands at a place: the conversion, what else, and why it may not be followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixgrad.explain.answer import DEMANDS, Answer, answers, conversions
from fixgrad.explain.journey import Stage
from fixgrad.explain.run import Run, covers, follow_wider
from fixgrad.flow.ir import Block, Function, Op, stands_in
from fixgrad.flow.tokens import CONVERSIONS
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import span
from fixgrad.source import Span

_MOST_ORIGINS = 5
_USES = {
    **{kind: f"a demand: {what}" for kind, what in DEMANDS.items()},
    "backward": "a backward pass",
    "granted": "a grant: requires_grad is set",
    "array-grad": "a read of `.grad` of an array",
    "inplace": "a change in place",
    "export": "an export to NumPy",
}


def explain(run: Run, path: str, line: int, column: int | None) -> list[Answer]:
    """Answer for each conversion at a place, or say what stands there instead."""
    found = _answers_at(run, path, line, column)
    named = [site for site in _written(run, path, line, column) if site not in conversions(run)]
    for site in named:
        if not any(_same_call(site, answer.span) for answer in found):
            found.append(_beyond(run, site))
    found = found or _other(run, path, line, column)
    if not found and path in run.project.modules:
        at = Site(path, (line, column or 0, line, column or 0))
        found = _other(follow_wider(run, at), path, line, column)
    return sorted(found, key=lambda a: a.span) or [_nothing(run, path, line)]


def _beyond(run: Run, site: Site) -> Answer:
    """Answer for a conversion that the analysis does not come by: it is followed for this alone."""
    wider = follow_wider(run, site)
    known = site in conversions(wider)
    relevant = run.project.function_at(site.path, site.place) in run.project.relevance.roots
    if not relevant and known:
        answer = answers(wider, site)[0]
        headline = "left alone: nothing that can reach this line asks for a gradient"
        return answer._replace(verdict="left alone", headline=headline)
    reason = _why_not(run if known else wider, site)
    headline = f"not followed: {reason}"
    if not known:
        return Answer(span(site), "not followed", headline)
    answer = answers(wider, site)[0]
    note = f"with more patience the answer would be: {answer.headline}"
    return answer._replace(verdict="not followed", headline=headline, notes=(note, *answer.notes))


def _answers_at(run: Run, path: str, line: int, column: int | None) -> list[Answer]:
    sites = [s for s in conversions(run) if s.path == path and covers(s.place, line, column)]
    if not sites and column is None:
        every = [s for s in conversions(run) if s.path == path]
        sites = [s for s in every if s.place[0] <= line <= s.place[2]]
    return [answer for site in sites for answer in answers(run, site)]


def _same_call(site: Site, other: Span) -> bool:
    return site.path == other.path and span(site).contains(other)


def unreached(run: Run, site: Site) -> Answer:
    """Answer for a conversion that the analysis does not come by, without following more."""
    if run.project.function_at(site.path, site.place) not in run.project.relevance.roots:
        headline = "left alone: nothing that can reach this line asks for a gradient"
        return Answer(span(site), "left alone", headline)
    return Answer(span(site), "not followed", f"not followed: {_why_not(run, site)}")


def _written(run: Run, path: str, line: int, column: int | None) -> list[Site]:
    return [site for site in spelled(run, path) if covers(site.place, line, column)]


def spelled(run: Run, path: str) -> list[Site]:
    """Return the calls of a file that are spelled like conversions, followed or not."""
    module = run.project.modules.get(path)
    if module is None:
        return []
    torch = {local for local, name, _ in module.imports if name.partition(".")[0] == "torch"}
    imported = {
        local: ".".join(filter(None, (origin, name))) for local, origin, name in module.imports
    }
    return [
        Site(path, op.place)
        for function in module.functions
        for op in _calls(function.body)
        if _converts(run, path, function, op, torch) or _modelled(run, path, function, op, imported)
    ]


def _calls(block: Block) -> Iterator[Op]:
    for op in block:
        if op.kind in ("call", "method"):
            yield op
        for inner in op.blocks:
            yield from _calls(inner)


def _converts(run: Run, path: str, function: Function, op: Op, torch: set[str]) -> bool:
    place = function.places[op.args[0]]
    spelled = run.text(Site(path, place))
    if op.kind == "method":
        return op.target in CONVERSIONS and spelled.partition(".")[0] in torch
    return spelled in CONVERSIONS and spelled in torch


def _modelled(run: Run, path: str, function: Function, op: Op, imported: Mapping[str, str]) -> bool:
    """Say whether the user's settings call it a conversion."""
    if run.project.models is None:
        return False
    place = function.places[op.args[0]]
    spelled = run.text(Site(path, place)) + f".{op.target}" * (op.kind == "method")
    local, dot, rest = spelled.partition(".")
    return f"{imported.get(local, local)}{dot}{rest}" in run.project.models.sources


def _why_not(run: Run, site: Site) -> str:
    """Say why a run does not come to a conversion."""
    function = run.function(site)
    name = f"`{function.name}`" if function.kind != "module" else "the body of this file"
    where = run.project.function_at(site.path, site.place)
    tired = [
        root
        for root, visited in run.graph.visits.items()
        if any(visited is entered for entered in run.watch.tired)
        and root[0] == site.path
        and stands_in(site.place, root[1])
    ]
    if site in run.watch.executed:
        return "the call is not understood as a conversion: its name may mean something else here"
    if tired:
        root = next(f for f in run.project.module(site.path).functions if f.place == tired[-1][1])
        whose = f"`{root.name}`" if root.kind != "module" else "this file"
        return f"{whose} is so large that the budget of operations ends before this line"
    if any(where in visited for visited in run.graph.visits.values()):
        way = "call of" if function.kind != "module" else "path through"
        return f"no {way} {name} that is followed comes to this line"
    return f"nothing that is followed calls {name}"


def _other(run: Run, path: str, line: int, column: int | None) -> list[Answer]:
    """Say what a line without a conversion is, and which conversions reach it."""
    found: dict[Span, Answer] = {}
    for use in run.graph.uses.values():
        if use.kind in _USES and use.site.path == path and covers(use.site.place, line, column):
            found.setdefault(span(use.site), _reached(run, use.site, use.thing, _USES[use.kind]))
    if not found:
        for touch in run.watch.touches.values():
            if touch.site.path == path and covers(touch.site.place, line, column):
                what = "an operation on tensors"
                found.setdefault(span(touch.site), _reached(run, touch.site, touch.thing, what))
    outermost = [s for s in found if not any(o.contains(s) and o != s for o in found)]
    return [found[s] for s in outermost]


def _reached(run: Run, site: Site, thing: Thing, what: str) -> Answer:
    upstream = run.graph.upstream([thing], through_cuts=True)
    origins = [t for t in upstream if t in run.graph.born and t.site is not None]
    stages = [
        Stage(span(t.site), "made", f"{t.name} ({_verdict(run, t.site)})")
        for t in origins
        if t.site is not None
    ]
    stages = list(dict.fromkeys(stages))
    known = "these conversions reach it" if stages else "no conversion that is known reaches it"
    more = len(stages) - _MOST_ORIGINS
    notes = (f"and {more} more conversions",) if more > 0 else ()
    headline = f"no conversion stands here: this is {what}; {known}"
    return Answer(span(site), "no conversion", headline, tuple(stages[:_MOST_ORIGINS]), (), notes)


def _verdict(run: Run, site: Site) -> str:
    found = answers(run, site)
    return found[0].verdict if found else "left alone"


def _nothing(run: Run, path: str, line: int) -> Answer:
    if any(s.path == path and s.place[0] == line for s in run.watch.executed):
        headline = "no conversion stands here, and no tensor made of data comes by"
    else:
        headline = "no conversion stands here, and no code that the analysis follows"
    return Answer(Span(path, line, 0, line, 0), "no conversion", headline)
