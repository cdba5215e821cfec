"""Lifts NumPy stretches into torch: answers for the conversions of one run."""

from __future__ import annotations

from typing import NamedTuple

from fixgrad.demands import LEAF, TRACKED, Demand
from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.project import Project
from fixgrad.flow.tape import Tape
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import Hazard, line_of
from fixgrad.repair.bounds import outside
from fixgrad.repair.simulate import Key, key_of
from fixgrad.repair.stretch import Stretch
from fixgrad.repair.targets import Target
from fixgrad.repair.translate import Untranslatable

_MOST_TAPES = 3


class Lift(NamedTuple):
    """What writes the NumPy stretch before a conversion in torch, or why nothing does."""

    operations: tuple[Operation, ...] = ()
    sites: frozenset[Site] = frozenset()  # the expressions that become torch
    reason: str = ""


class Lifts:
    """Lifts for the conversions of a project, each worked out once."""

    def __init__(self, project: Project, base: FlowGraph) -> None:
        self.project = project
        self.base = base
        self._found: dict[Key, Lift] = {}
        self._tapes: dict[frozenset[Where], Tape] = {}

    def of(self, returned: Thing) -> Lift:
        """Return the lift of what a conversion brings back."""
        key = key_of(returned)
        if key not in self._found:
            try:
                self._found[key] = self._written(key)
            except Untranslatable as reason:
                self._found[key] = Lift(reason=str(reason))
        return self._found[key]

    def _written(self, key: Key) -> Lift:
        site, path = key
        if site is None:
            raise Untranslatable("no expression brings the values back")
        sites = frozenset((site,))
        for _ in range(_MOST_TAPES):
            roots = self._roots(sites)
            tape = self._tapes.get(roots)
            if tape is None:
                tape = self._tapes[roots] = Tape(self.project, roots)
            stretch = Stretch(tape, site, path)
            stretch.write()
            sites = frozenset((site, *stretch.sites))
            if self._roots(sites) <= roots:
                break
        operations = tuple(stretch.operations)
        stopped = outside(self.project, operations)
        if stopped is not None:
            raise Untranslatable(stopped[1])
        return Lift(operations, sites)

    def _roots(self, sites: frozenset[Site]) -> frozenset[Where]:
        """Return the roots that run one of the expressions."""
        around = {self.project.function_at(site.path, site.place) for site in sites}
        return frozenset(root for root, visited in self.base.visits.items() if visited & around)


def lifted(lifts: Lifts, hazard: Hazard) -> tuple[Target | None, Hazard]:
    """Return what becomes of a round trip: a target to plan, or the reason why there is none."""
    use, asking = hazard.use, hazard.asking
    lift = lifts.of(use.thing)
    if lift.reason or asking is None:
        return None, hazard._replace(reason=cut_at(use.site, lift))
    target = Target(use.thing, use.thing)
    target.rule = hazard.rule
    target.lifted = lift.sites
    leaf = hazard.use.others[0]
    need = LEAF if asking.kind in ("step", "grad") else TRACKED
    target.demands.append(Demand(hazard.rule, leaf, need, asking, hazard.what))
    return target, hazard._replace(refusal="", wants_leaf=use.thing)


def cut_at(site: Site | None, lift: Lift) -> str:
    """Say which line cuts the gradient, and why it is not written in torch."""
    line = f"{line_of(site)} cuts the gradient on its way to this tensor"
    return f"{line}; {lift.reason}" if lift.reason else line
