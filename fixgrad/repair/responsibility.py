"""What the planner asks of two runs: whose finding a hazard is, who caused it, who looks at a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixgrad.demands import Demand
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Path, Site, Thing
from fixgrad.hazards import Hazard, span
from fixgrad.repair.forms import Form, is_as_array
from fixgrad.repair.simulate import Key, key_of
from fixgrad.repair.targets import Target


def own_targets(graph: FlowGraph, ours: list[Demand], demands: list[Demand]) -> list[Target]:
    """Return the tensors that broken grants are about; each finding is named by its own rule."""
    targets: dict[Thing, Target] = {}
    for demand in ours:
        me = graph.identity(demand.thing)
        origins = graph.origins(me) or [me]
        target = targets.setdefault(me, Target(demand.thing, origins[0]))
        target.add(demand)
        target.rule = demand.rule
        target.demands += [d for d in demands if graph.identity(d.thing) is me]
    return list(targets.values())


def belongs(graph: FlowGraph, hazard: Hazard, target: Target) -> bool:
    """Say whether a broken grant is reported as its target's finding."""
    return (
        hazard.rule == target.rule
        and hazard.wants_leaf is not None
        and graph.identity(hazard.wants_leaf) is graph.identity(target.thing)
    )


def caused(
    graph: FlowGraph, forms: Mapping[Target, Form], paths: Mapping[Site, set[Path]]
) -> dict[Key, Target]:
    """Return whose grant each tensor gets: under the calls that ask for it, and under all others."""
    keys: dict[Key, Target] = {}
    for target in forms:
        for thing in (target.thing, graph.identity(target.thing)):
            keys[key_of(thing)] = target
    for target, form in forms.items():
        site = target.thing.site
        if site is not None and any(operation.span == span(site) for operation in form):
            for path in paths.get(site, ()):
                keys.setdefault((site, path), target)
    return keys


def lifted_keys(graph: FlowGraph, targets: Iterable[Target]) -> dict[Key, Target]:
    """Return whose repair each tensor comes of that was an array before."""
    owners = {site: target for target in targets for site in target.lifted}
    if not owners:
        return {}
    made = [(key_of(t)[0], t) for t in graph.made]
    return {key_of(t): owners[site] for site, t in made if site is not None and site in owners}


def responsible(graph: FlowGraph, thing: Thing, keys: dict[Key, Target]) -> list[Target]:
    """Return whose grants make a tensor a tracked one: what it is computed from, or a copy of."""
    above = {key_of(thing)}
    seen: set[Thing] = set()
    pending = [thing]
    while pending:
        found = [t for t in graph.upstream(pending) if t not in seen]
        seen.update(found)
        above.update(map(key_of, found))
        pending = [original for t in found for original in graph.flagged_as.get(t, ())]
    return list(dict.fromkeys(keys[k] for k in sorted(above & keys.keys(), key=repr)))


_COPYING = (".clone()", ".contiguous()")


def is_copy(form: Form) -> bool:
    """Say whether a form of the grant gives the tensor memory of its own."""
    if is_as_array(form):
        return False
    return any(o.kind == "callee" or o.argument.startswith(_COPYING) for o in form)
