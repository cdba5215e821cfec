"""What a backward pass with nothing to differentiate is meant for, as far as the program tells."""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.demands import Demand
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.project import Project
from fixgrad.flow.values import Path, Site, Thing
from fixgrad.hazards import line_of
from fixgrad.knowledge import dtype_class
from fixgrad.repair.satisfied import made_line
from fixgrad.repair.targets import candidates, stated_otherwise


class Meaning:
    """Answers for the backward passes of one run."""

    def __init__(self, project: Project, graph: FlowGraph) -> None:
        self.project = project
        self.graph = graph

    def meant_for(self, demand: Demand, others: Iterable[Demand]) -> bool:
        """Say whether a gradient is asked for in the same program, of a tensor that gets none.

        The pass is most likely meant for that tensor, whose finding says what is wrong.
        """
        first = self._function(_chain(demand.use.site, demand.use.path)[0])
        return any(self._function(_chain(d.use.site, d.use.path)[0]) == first for d in others)

    def candidates_of(self, demand: Demand) -> tuple[list[Thing], tuple[str, str] | None]:
        """Return the tensors that could be meant, and why none of them is to be granted."""
        graph = self.graph
        line = line_of(demand.use.site)
        possible = candidates(graph, demand)
        ours = [t for t in possible if graph.is_conversion(t) or t.name.endswith("Variable")]
        stated = stated_otherwise(graph, demand)
        if stated:
            thing = graph.identity(stated[0].thing)
            return [thing], ("FG904", "the program says itself that this tensor has no gradient")
        returned = [t for t in graph.upstream([demand.thing]) if self._behind(t)]
        if returned:
            back = [t for t in returned if graph.is_conversion(t)]
            what = f"{made_line(returned[0])} cuts the gradient on its way to other tensors"
            return back or ours, ("FG902", what)
        if demand.use.detail.endswith("autograd.grad") and self._by(demand).isdisjoint(ours):
            return ours, ("FG902", f"{line} differentiates by other tensors")
        trained = self._trained(demand)
        if trained is not None:
            what = f"the optimizer at {line_of(trained)} trains other tensors"
            return ours, ("FG901", f"{what} than the backward pass at {line} comes from")
        if len(possible) > 1:
            what = f"{len(possible)} tensors could be meant by the backward pass at {line}"
            return ours, ("FG901", what)
        return ours, None

    def _by(self, demand: Demand) -> set[Thing]:
        """Return the tensors by which a call of autograd.grad differentiates, and what they come from."""
        here = demand.use.statement, demand.use.path
        asked = [u.thing for u in self.graph.of_kind("inputs") if (u.statement, u.path) == here]
        return set(self.graph.upstream(asked))

    def _behind(self, thing: Thing) -> bool:
        """Say whether a tensor has the values, without the gradient, of what could be meant."""
        graph = self.graph
        lost = graph.cut.get(thing, set()) | graph.by_value.get(thing, set())
        if thing.name.endswith("Variable") or not lost:
            return False
        here = set(graph.upstream([thing]))
        return any(self._may_be_meant(t) for t in _all_behind(graph, lost) if t not in here)

    def _may_be_meant(self, thing: Thing) -> bool:
        graph = self.graph
        made = graph.made.get(thing)
        if made is None or thing.name.startswith(("torch.nn.Parameter", "parameter")):
            return True
        floating = dtype_class(made.dtype) not in ("integer", "bool")
        return floating and thing not in graph.refused and graph.is_conversion(thing)

    def _trained(self, demand: Demand) -> Site | None:
        """Return an optimizer around the pass that holds nothing it comes from."""
        upstream = set(self.graph.upstream([demand.thing]))
        for (site, path), held in self.graph.optimizing.items():
            if held.isdisjoint(upstream) and self._around(_chain(site, path), demand):
                return site
        return None

    def _around(self, chain: Path, demand: Demand) -> bool:
        """Say whether one of two places is in a function that leads to the other."""
        other = _chain(demand.use.site, demand.use.path)
        last = min(len(chain), len(other)) - 1
        return chain[:last] == other[:last] and (
            self._function(chain[last]) == self._function(other[last])
        )

    def _function(self, site: Site) -> object:
        return self.project.function_at(site.path, site.place)


def _chain(site: Site, path: Path) -> Path:
    return (*path, site)


def _all_behind(graph: FlowGraph, things: Iterable[Thing]) -> list[Thing]:
    """Return the things and all whose values they have, with a gradient or without."""
    found: dict[Thing, None] = {}
    pending = [graph.identity(t) for t in things]
    while pending:
        thing = pending.pop()
        if thing not in found:
            found[thing] = None
            for sources in (graph.carried, graph.cut, graph.by_value):
                pending.extend(graph.identity(t) for t in sources.get(thing, ()))
    return list(found)
