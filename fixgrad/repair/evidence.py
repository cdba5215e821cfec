"""What a run shows that is to be repaired, in parts that have nothing to do with each other.

Each part is planned by itself: what cannot be settled in one leaves the others as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from fixgrad.demands import Demand
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Path, Site
from fixgrad.hazards import Hazard
from fixgrad.repair.broken import broken
from fixgrad.repair.targets import direct_demands, offered, root_demands


class Evidence(NamedTuple):
    """The demands and broken grants of some files."""

    direct: list[Demand]  # that name the tensor they mean
    roots: list[Demand]  # backward passes with nothing to differentiate
    hazards: list[Hazard]
    paths: dict[Site, set[Path]]  # under which calls each expression of the project makes a tensor


def gather(base: FlowGraph, wanted: Callable[[str], bool]) -> list[Evidence]:
    """Return the evidence of each part of a project, in the order of its first file."""
    part_of = _parts(base)
    paths: dict[Site, set[Path]] = defaultdict(set)
    for thing in (*base.made, *base.aliases):
        if thing.site is not None and thing.kind == "tensor":
            paths[thing.site].add(thing.path)
    found: dict[str, Evidence] = defaultdict(lambda: Evidence([], [], [], paths))
    for demand in (*direct_demands(base), *offered(base)):
        found[part_of(demand.use.site.path)].direct.append(demand)
    for demand in root_demands(base):
        found[part_of(demand.use.site.path)].roots.append(demand)
    for hazard in broken(base, wanted):
        found[part_of(hazard.use.site.path)].hazards.append(hazard)
    return [found[part] for part in sorted(found)]


def _parts(base: FlowGraph) -> Callable[[str], str]:
    """Join the files that some root runs through together."""
    parent: dict[str, str] = {}

    def top(path: str) -> str:
        while parent.setdefault(path, path) != path:
            path = parent[path]
        return path

    for (root, _), visited in base.visits.items():
        for path, _ in visited:
            one, other = sorted((top(root), top(path)))
            parent[other] = one
    return top
