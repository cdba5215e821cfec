"""The path of a finding through the program: made here, flows through, demanded here.

It is read backwards from the use that a finding ends at to the conversion it begins with, by the
surest way: edges that carry the gradient, before what unknown code may do, before cuts.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import TypeAlias

from fixgrad.findings import ALIAS, ASSUMED, BACKWARD, CALL, CARRIES, CUT, MADE, Step
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.library import is_library
from fixgrad.flow.project import Project
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing, ordered
from fixgrad.hazards import span

COSTS = {CARRIES: 1, ASSUMED: 1_000, CUT: 1_000_000}

Way: TypeAlias = list[tuple[Thing, str]]  # tensors, and how each is reached
_Follower: TypeAlias = tuple[Thing, str] | None  # what is made of a tensor, and how


class Tracer:
    """Finds paths in what a run left behind."""

    def __init__(self, project: Project, graph: FlowGraph) -> None:
        self._project = project
        self._graph = graph

    def trace(self, origin: Thing, end: Thing, use: Use) -> list[Step]:
        """Return the steps from one tensor to another, and from there to a use, itself not included.

        The use may be of what is computed from the second tensor.
        """
        way = self._way(origin, end)
        if end in self._graph.aliases:
            way.append((end, ALIAS))
        if self._graph.identity(use.thing) is not self._graph.identity(end):
            way += self._way(end, use.thing)[1:]
        return self._steps(way, use)

    def to_cut(self, thing: Thing) -> list[Step]:
        """Return the steps from a tensor to a backward pass that its gradient does not come from."""
        found: list[tuple[int, list[Step]]] = []
        for use in self._graph.of_kind("backward"):
            way = self._way(thing, use.thing)
            effects = {effect for _, effect in way}
            if CUT in effects:
                steps = self._steps(way, use)[1:]
                last = Step(span(use.site), "the backward pass starts here", BACKWARD)
                found.append((len(way) + 100 * (ASSUMED in effects), ended(steps, last)))
        return min(found, key=itemgetter(0))[1] if found else []

    def _steps(self, way: Way, use: Use) -> list[Step]:
        steps: list[Step] = []
        at: Path = ()
        here: Site | None = None
        for thing, effect in way:
            if thing.site is not None:
                if here is not None:
                    steps += self._calls((*at, here), (*thing.path, thing.site))
                steps.append(Step(span(thing.site), self._said(thing, effect), effect))
                at, here = thing.path, thing.site
        if here is not None:
            steps += self._calls((*at, here), (*use.path, use.site))
        return steps

    def _way(self, origin: Thing, end: Thing) -> Way:
        """Return the tensors on the surest way and how each is reached; both ends if none is known."""
        graph = self._graph
        origin, end = graph.identity(origin), graph.identity(end)
        followers: dict[Thing, _Follower] = {}
        waiting: list[tuple[Thing, _Follower]] = [(end, None)]
        heap = [(0, 0)]
        while heap and origin not in followers:
            cost, number = heapq.heappop(heap)
            thing, follower = waiting[number]
            if thing in followers:
                continue
            followers[thing] = follower
            for source, effect in _sources(graph, thing):
                if source not in followers:
                    heapq.heappush(heap, (cost + COSTS[effect], len(waiting)))
                    waiting.append((source, (thing, effect)))
        way: Way = [(origin, MADE)]
        if origin not in followers:
            return way if origin is end else [*way, (end, ASSUMED)]
        while (after := followers[way[-1][0]]) is not None:
            way.append(after)
        return way

    def _calls(self, one: Path, other: Path) -> Iterator[Step]:
        """Yield the calls between two places, each the last of its chain: first those returned from."""
        common = 0
        while common < min(len(one), len(other)) - 1 and one[common] == other[common]:
            common += 1
        for depth in range(len(one) - 2, common - 1, -1):
            yield from self._call(one, depth, "returned by")
        for depth in range(common, len(other) - 1):
            yield from self._call(other, depth, "passed into")

    def _call(self, chain: Path, depth: int, how: str) -> Iterator[Step]:
        inner = chain[depth + 1]
        ours = not (is_library(chain[depth].path) or is_library(inner.path))
        if ours and (chain[depth], chain[:depth]) in self._graph.calls:  # else an unknown caller
            yield Step(span(chain[depth]), f"{how} `{self._function(inner)}`", CALL)

    def _function(self, site: Site) -> str:
        where = self._project.function_at(site.path, site.place)
        functions = self._project.module(site.path).functions
        name = next(f.name for f in functions if f.place == where[1])
        return name.removesuffix(".__init__")

    def _said(self, thing: Thing, effect: str) -> str:
        made = self._graph.made.get(thing)
        name = made.effect.removeprefix("torch.Tensor.") if made is not None else ""
        if effect == MADE:
            return "made here"
        if effect == CUT:
            return f"the gradient is cut here: `{name}`" if name else "the gradient is cut here"
        if effect == ASSUMED:
            return "flows through code that is not known"
        if effect == ALIAS:
            return "flows through, the same tensor"
        return f"flows through `{name}`" if name else "flows through"


def ended(steps: list[Step], last: Step) -> list[Step]:
    """Return a path with its last step, which takes the place of one that stands where it stands."""
    while steps and steps[-1].span == last.span:
        steps = steps[:-1]
    return [*steps, last]


def _sources(graph: FlowGraph, thing: Thing) -> Iterator[tuple[Thing, str]]:
    effect = ASSUMED if thing.kind == "opaque" else CARRIES
    for source in ordered(graph.carried.get(thing, ())):
        yield source, effect
    for lost in (graph.cut, graph.by_value):
        for source in ordered(lost.get(thing, ())):
            yield source, CUT
