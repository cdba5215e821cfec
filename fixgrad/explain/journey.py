"""Where a tensor goes: the flow graph read forwards, each tensor by the surest way to it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.explain.run import Run
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Path, Site, Thing
from fixgrad.hazards import span
from fixgrad.source import Span

CARRIES, CUT, ASSUMED, ALIAS = "carries", "cut", "assumed", "alias"
_COST = {CARRIES: 1, ASSUMED: 1_000, CUT: 1_000_000}


class Stage(NamedTuple):
    """One place on the way of a tensor."""

    span: Span
    effect: str  # "made", "carries", "alias", "cut", "assumed", "call", "kept", "demand", "use"
    what: str  # "torch.Tensor.float", "passed into `fit`"


class Journey:
    """All tensors that hold something of the ones it starts with."""

    def __init__(self, run: Run, start: Iterable[Thing]) -> None:
        self.run = run
        self.start = [run.graph.identity(thing) for thing in start]
        self.before: dict[Thing, tuple[Thing, str] | None] = {}
        self._walk(downstream(run.graph))

    def _walk(self, down: dict[Thing, list[tuple[Thing, str]]]) -> None:
        heap: list[tuple[int, int]] = [(0, n) for n in range(len(self.start))]
        waiting: list[tuple[Thing, tuple[Thing, str] | None]] = [(t, None) for t in self.start]
        while heap:
            cost, number = heapq.heappop(heap)
            thing, before = waiting[number]
            if thing in self.before:
                continue
            self.before[thing] = before
            for other, effect in down.get(thing, ()):
                if other not in self.before:
                    heapq.heappush(heap, (cost + _COST[effect], len(waiting)))
                    waiting.append((other, (thing, effect)))

    def way(self, thing: Thing) -> list[tuple[Thing, str]]:
        """Return the tensors on the way to one, from the start on, and how each is reached."""
        found: list[tuple[Thing, str]] = []
        at: Thing | None = thing
        while at is not None:
            before = self.before[at]
            found.append((at, before[1] if before else "made"))
            at = before[0] if before else None
        return found[::-1]

    def effects(self, thing: Thing) -> set[str]:
        """Return by which kinds of edges a tensor is reached."""
        return {effect for _, effect in self.way(thing)[1:]}

    def stages(self, thing: Thing) -> list[Stage]:
        """Return the way to a tensor with the calls that it leads through."""
        stages: list[Stage] = []
        last: Thing | None = None
        for step, effect in self.way(thing):
            if step.site is None:
                continue
            if last is not None:
                stages += self.calls(last.path, step.path)
            stages.append(Stage(span(step.site), effect, self._name(step)))
            last = step
        return stages

    def calls(self, one: Path, other: Path) -> list[Stage]:
        """Return the calls between two chains of calls: first those returned from."""
        common = 0
        while common < min(len(one), len(other)) and one[common] == other[common]:
            common += 1
        stages = [self._call(site, "returned by") for site in reversed(one[common:])]
        stages += [self._call(site, "passed into") for site in other[common:]]
        return [stage for stage in stages if stage is not None]

    def _call(self, site: Site, how: str) -> Stage | None:
        callees = self.run.watch.callees.get(site)
        if not callees:  # a turn of a loop, or an unknown caller
            return None
        names = " or ".join(f"`{callee.name}`" for callee in callees)
        return Stage(span(site), "call", f"{how} {names}")

    def _name(self, thing: Thing) -> str:
        made = self.run.graph.made.get(thing)
        if made is None:
            return "result of a call that is not known" if thing.kind == "opaque" else thing.name
        if made.effect == "factory":
            return "written into a tensor that torch makes here"
        return made.effect + (", a view of it" if made.alias == "view" else "")


def downstream(graph: FlowGraph) -> dict[Thing, list[tuple[Thing, str]]]:
    """Return the edges of a flow graph by the tensor they start from."""
    found: dict[Thing, list[tuple[Thing, str]]] = defaultdict(list)
    for thing, sources in graph.carried.items():
        effect = ASSUMED if thing.kind == "opaque" else CARRIES
        for source in sources:
            found[source].append((thing, effect))
    for thing, sources in graph.cut.items():
        for source in sources:
            found[source].append((thing, CUT))
    return found
