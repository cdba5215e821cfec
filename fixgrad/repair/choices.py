"""Demands that a test, or a key that is not known, puts to some of several tensors: nothing says to which.

`for name, t in named.items(): if name in wanted: print(t.grad)` asks one of them, all of them or none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fixgrad.demands import Demand
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import line_of
from fixgrad.repair.targets import Target

_SEVERAL = "FG901"


def undecided(graph: FlowGraph, targets: Iterable[Target]) -> dict[Target, tuple[str, str]]:
    """Return the targets that are asked for only where others may be meant, each with its refusal."""
    targets = list(targets)
    meant: dict[tuple[str, Site], set[Thing]] = defaultdict(set)
    for target in targets:
        for demand in target.demands:
            if _is_open(graph, demand):
                meant[demand.use.kind, demand.use.site].add(graph.identity(demand.thing))
    for use in graph.of_kind(*{kind for kind, _ in meant}):
        me = graph.identity(use.thing)
        taken = me in graph.chosen and not graph.is_certain(use.site, use.path, me)
        if taken and use.tracked != "no" and (use.kind, use.site) in meant:
            meant[use.kind, use.site].add(me)  # it may be this one, which has a gradient
    found: dict[Target, tuple[str, str]] = {}
    for target in targets:
        opened = [d for d in target.demands if len(meant[d.use.kind, d.use.site]) > 1]
        if opened and all(_is_open(graph, d) and d in opened for d in target.demands):
            site = opened[0].use.site
            several = len(meant[opened[0].use.kind, site])
            what = f"{line_of(site)} is about some of {several} tensors, and nothing says which"
            found[target] = (_SEVERAL, what)
    return found


def _is_open(graph: FlowGraph, demand: Demand) -> bool:
    me = graph.identity(demand.thing)
    gone_through = me in graph.whole or graph.is_dealt(me)
    if demand.use.kind == "idle-grad" or (demand.use.kind == "grad" and gone_through):
        return False  # all that come there are meant
    some = demand.use.weighed or me in graph.chosen
    return some and not graph.is_certain(demand.use.site, demand.use.path, me)
