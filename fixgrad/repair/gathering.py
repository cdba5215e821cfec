"""Gathers the views of one tensor that are all differentiated by into one target: the tensor itself.

`x, t = points[:, 0:1], points[:, 1:2]`, both asked for by `torch.autograd.grad`, need one grant: on `points`.
A column that is not asked for itself may come along where it goes into the very function that is
differentiated: `net(x, t)` by `t` alone. Another view that is no one's input, such as a column of labels,
keeps its tensor as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from fixgrad.demands import TRACKED
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Thing
from fixgrad.repair.targets import Target


def gather_views(graph: FlowGraph, targets: Iterable[Target]) -> dict[Target, list[Target]]:
    """Return each target that takes the place of several, with those."""
    targets = list(targets)
    groups: dict[Thing, list[Target]] = defaultdict(list)
    for target in targets:
        base = _base(graph, target)
        if base is not None:
            groups[base].append(target)
    children: dict[Thing, set[Thing]] = defaultdict(set)
    for thing in graph.made if groups else ():
        for source in (*graph.carried.get(thing, ()), *graph.cut.get(thing, ())):
            children[graph.identity(source)].add(graph.identity(thing))
    return {
        _whole(base, parts): parts
        for base, parts in groups.items()
        if _go_together(graph, parts, base, children)
    }


def _go_together(
    graph: FlowGraph, parts: list[Target], base: Thing, children: Mapping[Thing, set[Thing]]
) -> bool:
    """Say whether all views of a tensor are differentiated by, or are given along with those."""
    asked = {graph.identity(t.thing) for t in parts}
    others = children[base] - asked
    if not others:
        return len(parts) > 1
    places = {(d.use.statement, d.use.path) for t in parts for d in t.demands}
    roots = [u for u in graph.of_kind("backward") if (u.statement, u.path) in places]
    inputs = {t for root in roots for t in graph.upstream([root.thing])}
    changed = {graph.identity(u.thing) for u in graph.of_kind(*_KEPT_APART)}
    beside = {result for view in asked for result in children[view]}  # net(x, t), cat((x, t))
    return all(
        t in graph.made
        and graph.made[t].alias == "view"
        and t in inputs
        and t not in changed
        and not beside.isdisjoint(children[t])
        for t in others
    )


_KEPT_APART = ("export", "inplace", "grad", "optimizer")


def _base(graph: FlowGraph, target: Target) -> Thing | None:
    """Return the tensor that a target is a view of, made beside it; None where a grant there would not do."""
    me = graph.identity(target.thing)
    made, sources = graph.made.get(me), graph.carried.get(me, set())
    differentiated = all(d.need == TRACKED and d.use.kind == "inputs" for d in target.demands)
    if made is None or made.alias != "view" or len(sources) != 1 or not differentiated:
        return None
    (base,) = sources
    base = graph.identity(base)
    beside = base.path == me.path and graph.loops.get(base) == graph.loops.get(me)
    ours = target.origin in graph.upstream([base]) and base not in graph.refused
    return (
        base if beside and ours and not target.step and not me.name.startswith("element") else None
    )


def _whole(base: Thing, parts: list[Target]) -> Target:
    whole = Target(base, parts[0].origin)
    for part in parts:
        for demand in part.demands:
            whole.add(demand)
    return whole
