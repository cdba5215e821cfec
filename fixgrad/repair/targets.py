"""Which tensors are to become tracked, and what each of them is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from fixgrad.demands import (
    LEAF,
    Demand,
    autograd_input,
    backward_root,
    grad_read,
    gradcheck,
    hook,
    optimizer,
)
from fixgrad.flow.gradients import OPTIONAL
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing
from fixgrad.repair.forms import is_integer

_DIRECT = (grad_read, optimizer, autograd_input, hook, gradcheck)
_SORTED = ("grad", "optimizer", "inputs")
INTEGER = "FG204"


class Target:
    """One tensor that must become a tracked leaf, with all that asks for it."""

    def __init__(self, thing: Thing, origin: Thing) -> None:
        self.thing = thing
        self.origin = origin  # the conversion it comes from
        self.demands: list[Demand] = []
        self.rule = ""
        self.step = False  # computed from the leaf it replaces in a loop
        self.lifted: frozenset[Site] = frozenset()  # NumPy expressions that become torch for it

    def add(self, demand: Demand) -> None:
        """Note one more demand; the rule with the lowest number names the finding."""
        self.demands.append(demand)
        if self.rule != INTEGER:
            self.rule = min(self.rule or demand.rule, demand.rule)


def direct_demands(graph: FlowGraph) -> list[Demand]:
    """Return the demands that name the tensor they mean."""
    silent = _stated(graph) | graph.manual
    # A gradient read behind a test for None, where other tensors have one: the test sorts them out.
    sorted_out = {u.site for u in graph.of_kind("grad") if u.detail in ("guarded", OPTIONAL)}
    sorted_out &= {u.site for u in graph.of_kind("grad") if u.tracked != "no"}
    tracked = {(u.kind, u.site) for u in graph.of_kind(*_SORTED) if u.tracked != "no"}
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    replaced = _replaced_by_tracked(graph)
    return [
        demand
        for rule in _DIRECT
        for demand in rule.demands(graph)
        if not (demand.use.kind == "optimizer" and graph.identity(demand.thing) in granted)
        and (*_place(demand.use), graph.identity(demand.thing)) not in replaced
        and graph.identity(demand.thing) not in silent
        and not demand.use.careless
        and not (demand.use.detail == OPTIONAL and graph.identity(demand.thing) not in graph.moved)
        and demand.use.site not in sorted_out
        and not (
            (demand.use.kind, demand.use.site) in tracked
            and (demand.use.weighed or _told_apart(graph, demand))
        )
    ]


def stated_otherwise(graph: FlowGraph, root: Demand) -> list[Demand]:
    """Return the demands of tensors behind a backward pass of which the program says they have no gradient."""
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    stated = (graph.refused | graph.told - granted) & set(graph.upstream([root.thing]))
    found = [d for rule in _DIRECT for d in rule.demands(graph)] if stated else []
    return [d for d in found if graph.identity(d.thing) in stated and not d.use.careless]


def _told_apart(graph: FlowGraph, demand: Demand) -> bool:
    """Say whether the program tells this tensor, or its gradient, from others somewhere else."""
    me = graph.identity(demand.thing)
    return me in graph.sifted or (demand.use.site, me) in graph.tested


def _stated(graph: FlowGraph) -> set[Thing]:
    """Return the tensors of which the program says that they have no gradient, and never grants one."""
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    asserted = {graph.identity(u.thing) for u in graph.of_kind("no-grad-expected")}
    return asserted | graph.told - granted


def _place(use: Use) -> tuple[object, ...]:
    """Return where a use stands, by its calls, in whatever turn of a loop that is gone through turn by turn."""
    return use.kind, use.site, tuple((site.path, *site.place[:3]) for site in use.path)


def _replaced_by_tracked(graph: FlowGraph) -> set[tuple[object, ...]]:
    """Return the uses where a tracked tensor made of this one may stand in its place."""
    found: set[tuple[object, ...]] = set()
    for use in graph.of_kind("grad", "optimizer", "inputs"):
        if use.tracked != "no":
            for thing in graph.upstream([use.thing], through_cuts=True)[1:]:
                if (use.kind, use.site, use.path, thing) not in graph.first_turn:
                    found.add((*_place(use), thing))
    return found


def offered(graph: FlowGraph) -> list[Demand]:
    """Return the demands of code that asks whoever has a gradient, where that says what a backward pass is for.

    `for p in params: if p.grad is not None: p.data -= lr * p.grad` trains all there is in the list, if the
    backward pass has nothing to differentiate and comes from other data as well.
    """
    roots = [set(candidates(graph, demand)) for demand in root_demands(graph)]
    asked: dict[Site, list[Use]] = defaultdict(list)
    for use in graph.of_kind("idle-grad") if roots else ():
        asked[use.site].append(use)
    found: list[Demand] = []
    for uses in asked.values():
        things = {graph.identity(use.thing) for use in uses}
        told = set().union(*(root for root in roots if not root <= things))
        # conservative: where data is in the list too, the test may be what keeps it out
        if things <= told and things <= graph.moved:
            open_uses = [use for use in uses if use.tracked == "no" and not use.careless]
            found += [Demand(grad_read.CODE, u.thing, LEAF, u, grad_read.WHAT) for u in open_uses]
    return found


def root_demands(graph: FlowGraph) -> list[Demand]:
    """Return the backward passes that have nothing to differentiate."""
    return [demand for demand in backward_root.demands(graph) if not demand.use.careless]


def collect(
    graph: FlowGraph, demands: Iterable[Demand], wanted: Callable[[str], bool]
) -> list[Target]:
    """Group demands by tensor; leave out what does not come from conversions alone."""
    targets: dict[Thing, Target] = {}
    for demand in demands:
        thing = demand.thing
        me = graph.identity(thing)
        origins = graph.origins(me)
        if origins is None or me in graph.refused:
            continue
        target = targets.get(me)
        if target is None:
            target = targets[me] = Target(thing, _main_origin(graph, origins))
            if is_integer(graph, thing):
                target.rule = INTEGER
        elif thing in graph.aliases and thing.site != target.thing.site:
            target.thing = thing
        target.add(demand)
    chosen = [t for t in targets.values() if wanted(t.rule)]
    return _upstream_first(graph, chosen)


def _main_origin(graph: FlowGraph, origins: list[Thing]) -> Thing:
    """Return the conversion that a finding names: the nearest of an array, else the nearest."""
    arrays = [t for t in origins if graph.born[t] != "literal"]
    return (arrays or origins)[0]


def _upstream_first(graph: FlowGraph, targets: list[Target]) -> list[Target]:
    """Tell steps of a loop from results: a result of a demanded leaf needs no grant of its own."""
    things = {graph.identity(t.thing): t for t in targets}
    kept: list[Target] = []
    for target in targets:
        me = graph.identity(target.thing)
        above = [things[t] for t in graph.upstream([me])[1:] if t in things and t is not me]
        if not above:
            kept.append(target)
        elif _share_a_demand(target, above):
            target.step = me in set(graph.upstream([me])) and True
            kept.append(target)
    return kept


def _share_a_demand(target: Target, above: list[Target]) -> bool:
    places = {(d.use.kind, d.use.site) for t in above for d in t.demands if d.need == LEAF}
    return any((d.use.kind, d.use.site) in places for d in target.demands)


def candidates(graph: FlowGraph, demand: Demand) -> list[Thing]:
    """Return the tensors that could be meant by a backward pass."""
    stated = _stated(graph)
    return [t for t in backward_root.candidates(graph, demand) if t not in stated]
