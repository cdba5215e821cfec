"""Plans the repairs: grants where they are demanded, what they need to run, and the proof by simulation.

The planner proposes, the flow analysis disposes: a plan is followed through the program as it will be; what
would then break is mended or changes the form of the grant, and what cannot be mended refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fixgrad.demands import TRACKED, Demand
from fixgrad.edits import Operation
from fixgrad.findings import Applicability
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.ir import stands_in
from fixgrad.flow.project import Project
from fixgrad.flow.values import Thing
from fixgrad.hazards import Hazard, line_of, outpaced_copy, span
from fixgrad.hazards.numpy_round_trip import returned
from fixgrad.progress import counted
from fixgrad.repair.bounds import outside, said_at
from fixgrad.repair.choices import undecided
from fixgrad.repair.contexts import Contexts
from fixgrad.repair.draft import Draft
from fixgrad.repair.evidence import Evidence, gather
from fixgrad.repair.failing import failing
from fixgrad.repair.forms import is_integer, preferred, suited
from fixgrad.repair.gathering import gather_views
from fixgrad.repair.lift import Lifts
from fixgrad.repair.meaning import Meaning
from fixgrad.repair.placement import place
from fixgrad.repair.refusals import PLACELESS
from fixgrad.repair.responsibility import (
    belongs,
    caused,
    lifted_keys,
    own_targets,
    responsible,
)
from fixgrad.repair.ripples import RIPPLES
from fixgrad.repair.satisfied import partial_cuts, unmet
from fixgrad.repair.simulate import Key, key_of, simulate, upstream_keys
from fixgrad.repair.targets import (
    Target,
    collect,
    root_demands,
)
from fixgrad.source import Span

_GRANTS = ("FG201", "FG203", "FG204")  # hazards that name the tensor that is to be tracked
_MOST_ROUNDS = 12
_CHANGES_FORM = ("stale", "outdated", "overwritten", "shared-write")


class Planned(NamedTuple):
    """What the plan says of one target or one broken grant."""

    target: Target | None
    hazard: Hazard | None
    operations: tuple[Operation, ...]
    applicability: Applicability
    refusal: tuple[str, str] = ("", "")


def plan(
    project: Project,
    base: FlowGraph,
    wanted: Callable[[str], bool],
    hidden: Callable[[str, Span], bool],
    style: Callable[[Span], str],
) -> list[Planned]:
    """Return what to do about every finding of a project, part by part."""
    lifts = Lifts(project, base)
    return [
        planned
        for evidence in counted("planning", gather(base, wanted))
        for planned in Planner(project, base, wanted, hidden, style, evidence, lifts).plan()
    ]


def _bounded(project: Project, hazard: Hazard) -> Hazard:
    """Refuse to mend in a file that was not given."""
    stopped = outside(project, hazard.operations)
    if stopped is None or hazard.refusal:
        return hazard
    return hazard._replace(refusal=stopped[0], reason=stopped[1])


def _asked_at(demand: Demand) -> tuple[object, ...]:
    """Return where a gradient is asked for, in whatever turn of a loop that is gone through turn by turn."""
    calls = tuple((site.path, *site.place[:3]) for site in demand.use.path)
    return demand.use.kind, demand.use.site, calls


class Planner(Draft):
    """Searches for a plan that the simulation accepts."""

    def __init__(
        self,
        project: Project,
        base: FlowGraph,
        wanted: Callable[[str], bool],
        hidden: Callable[[str, Span], bool],
        style: Callable[[Span], str],
        evidence: Evidence,
        lifts: Lifts,
    ) -> None:
        self.wanted = wanted
        self.evidence = evidence
        self.hidden = hidden  # the user says to leave this place alone
        self.style = style  # how the user likes a grant to be written
        hazards = [_bounded(project, h) for h in evidence.hazards if not self._is_left(h)]
        # What a broken grant was meant for is no other rule's to grant while that is left alone.
        self.left = {
            base.identity(hazard.wants_leaf)
            for hazard in evidence.hazards
            if hazard.rule in _GRANTS and hazard.wants_leaf is not None and self._is_left(hazard)
        }
        super().__init__(project, base, hazards, lifts)
        every = self._targets()
        self.targets = [t for t in every if not self._is_hidden(t)]
        self.gathered = gather_views(base, self.targets)
        parts = {part for each in self.gathered.values() for part in each}
        self.targets = [*self.gathered, *(t for t in self.targets if t not in parts)]
        # What is asked for by name is not up to a backward pass, be it refused or hidden.
        self.named: set[Key] = set().union(*(upstream_keys(base, t.thing) for t in every))
        self.refused = undecided(base, self.targets)
        self.meant_shared: set[Target] = set()  # their arrays are what the program looks at
        self.lift_round_trips()

    def _is_left(self, hazard: Hazard) -> bool:
        places = [span(hazard.use.site), *(operation.span for operation in hazard.operations)]
        return any(self.hidden(hazard.rule, place) for place in places)

    def _is_hidden(self, target: Target) -> bool:
        made = [s for s in (target.origin.site, target.thing.site) if s is not None]
        sites = [*made, *self.base.returned_by(target.thing)]
        places = (said_at(self.project, target), *map(span, sites))
        # Every comment that applies is asked, so that none of them seems to be of no use.
        hidden = max([self.hidden(target.rule, place) for place in places])
        return hidden or not self.left.isdisjoint(self.base.upstream([target.thing]))

    def _targets(self) -> list[Target]:
        demands = list(self.evidence.direct)
        for hazard in self.hazards:
            wanted = hazard.wants_leaf
            asked = hazard.rule == "FG202" and wanted is not None and not hazard.refusal
            if asked and wanted is not None and self._status(wanted) == "no":
                what = "its `.grad` is read"
                demands.append(Demand("FG101", wanted, "leaf", hazard.use, what))
        ours: list[Demand] = []
        for hazard in self.hazards:
            if hazard.rule in _GRANTS and hazard.wants_leaf is not None:
                ours.append(
                    Demand(hazard.rule, hazard.wants_leaf, TRACKED, hazard.use, hazard.what)
                )
        targets = collect(self.base, demands, self.wanted)
        ours = [demand for demand in ours if not self._demanded_later(demand, targets)]
        taken = {self.base.identity(d.thing) for d in ours}
        targets = [t for t in targets if self.base.identity(t.thing) not in taken]
        return targets + own_targets(self.base, ours, demands)

    def _demanded_later(self, demand: Demand, targets: list[Target]) -> bool:
        """Let a tensor made of a wrongly granted conversion carry the finding and the grant."""
        if demand.rule != "FG201":
            return False
        for target in targets:
            if self.base.identity(demand.thing) in self.base.upstream([target.thing])[1:]:
                target.rule = demand.rule
                target.demands.insert(0, demand)
                self.hazards = [
                    h._replace(wants_leaf=target.thing) if h.wants_leaf is demand.thing else h
                    for h in self.hazards
                ]
                return True
        return False

    def _status(self, thing: Thing) -> str:
        granted = {self.base.identity(u.thing) for u in self.base.of_kind("granted")}
        return "yes" if self.base.identity(thing) in granted else "no"

    def plan(self) -> list[Planned]:
        """Return what to do about every finding."""
        self._place()
        graph = self._settle()
        apart = [t for t in self.gathered if t in self.refused]
        if apart:  # what one grant cannot do, one for each view may
            self.targets = [t for t in self.targets if t not in apart]
            self.targets += [part for whole in apart for part in self.gathered[whole]]
            for whole in apart:
                del self.refused[whole]
            self._place()
            graph = self._settle()
        more = self._backward_targets(graph)
        if more:
            self.targets += more
            self._place()
            self._settle()
        return self._result()

    def _place(self) -> None:
        active = [t for t in self.targets if t not in self.refused]
        demanded = {self.base.identity(t.thing) for t in active} | {t.thing for t in active}
        contexts = Contexts(self.base, demanded, self.evidence.paths, self.project.class_at)
        for target in active:
            if target in self.forms:
                continue
            asked = [demand.use for demand in target.demands]
            placement = place(
                contexts, target.thing, asked, step=target.step, may=self.project.may_edit
            )
            made = self.base.made[self.base.identity(target.thing)]
            stopped = outside(self.project, (o for form in placement.forms for o in form))
            if stopped is not None:
                self.refused[target] = stopped
            elif placement.refusal:
                reason = PLACELESS[placement.refusal]
                self.refused[target] = (placement.refusal, reason)
            elif made.mode == "inference":
                self.refused[target] = ("FG907", "the tensor is made under inference_mode")
            else:
                style = self.style(said_at(self.project, target))
                forms = suited(self.base, target.thing, asked, placement.forms)
                self.forms[target] = preferred(forms, style)
                self.chosen[target] = 0
                self.ripples[target] = {}

    def _settle(self) -> FlowGraph:
        """Simulate and amend until nothing is left to amend."""
        graph = self.base
        for _ in range(_MOST_ROUNDS):
            operations = self.operations()
            self.simulated = set(operations)
            if not operations:
                return self.base
            graph = simulate(self.project, self.base, operations, self.places())
            if not (
                self._amend(graph)
                or self._refuse_unmet(graph)
                or self._refuse_partial()
                or self._refuse_together()
            ):
                return graph
        for target in self.active():
            self.refused[target] = ("FG910", "no plan was found that runs")
        return graph

    def _amend(self, graph: FlowGraph) -> bool:
        """Mend what the plan would break, or change the form of the grant that breaks it."""
        changed = False
        forms = {t: self.form(t) for t in self.active()}
        keys = caused(self.base, forms, self.evidence.paths)
        keys = {**lifted_keys(graph, forms), **keys}
        for use, code, reason in failing(graph, self.base):
            for target in responsible(graph, use.thing, keys):
                if target not in self.refused:
                    self.refused[target] = (code, reason)
                    changed = True
        for rule in RIPPLES:
            if changed and rule is outpaced_copy:
                break  # a write that is about to be mended has made a result of its leaf
            for hazard in rule.hazards(graph):
                for target in responsible(graph, hazard.use.thing, keys):
                    changed |= self.ripple(target, hazard)
        for use in graph.of_kind(*_CHANGES_FORM):
            things = use.others if use.kind != "overwritten" else graph.sharing.get(use.thing, [])
            for thing in (use.thing, *things):
                owner = keys.get(key_of(thing))
                if owner is None or owner in self.refused:
                    continue
                hidden = use.kind in ("outdated", "overwritten") and not graph.looked_at(thing)
                if use.kind == "outdated" or (hidden and owner in self.meant_shared):
                    if hidden and owner not in self.meant_shared:
                        self.meant_shared.add(owner)  # only the array shows the result
                        changed |= self.next_form(owner, "stale")
                else:
                    changed |= self.next_form(owner, use.kind)
        return changed

    def _refuse_unmet(self, graph: FlowGraph) -> bool:
        changed = False
        for target in self.active():
            if target.rule == "FG204":
                continue
            for demand in target.demands:
                own = target in self.gathered or target.rule == "FG206"
                key = key_of(self.base.identity(demand.thing if own else target.thing))
                found = unmet(graph, demand, key)
                if found is not None:
                    if found[0] != "FG902" or not self.lift(target, returned(graph, key)):
                        self.refused.setdefault(target, found)
                    changed = True
                    break
        return changed

    def _refuse_together(self) -> bool:
        """Refuse every definition that reaches a demand where one of them is refused."""
        reasons = {
            _asked_at(d): reason for target, reason in self.refused.items() for d in target.demands
        }
        changed = False
        for target in self.active():
            reason = next(
                (reasons[p] for p in map(_asked_at, target.demands) if p in reasons), None
            )
            shared = any(d.use.kind in ("gradcheck", "backward") for d in target.demands)
            if reason is not None and not shared:
                self.refused[target] = reason
                changed = True
        return changed

    def _refuse_partial(self) -> bool:
        """Refuse where part of the gradient's path leads through NumPy and back."""
        active = self.active()
        keys = {key_of(self.base.identity(t.thing)): t for t in active}
        changed = False
        for target, thing in partial_cuts(self.base, keys):
            gone = self._is_unwrapped(target, thing)
            if target in self.refused or thing.site in target.lifted or gone:
                continue
            changed = True
            if not self.lift(target, [thing]):
                line = line_of(thing.site)
                reason = f"{line} takes its values through NumPy or Python into the result, without a gradient"
                self.refused.setdefault(target, ("FG902", reason))
        return changed

    def _is_unwrapped(self, target: Target, thing: Thing) -> bool:
        """Say whether the plan does without the call that makes a copy, or without its statement."""
        gone = [o.span for o in self.ripples[target] if o.kind in ("unwrap-call", "delete")]
        return thing.site is not None and any(
            s.path == thing.site.path and stands_in(thing.site.place, s[1:]) for s in gone
        )

    def _backward_targets(self, graph: FlowGraph) -> list[Target]:
        """Return the candidates of backward passes that still have nothing to differentiate."""
        found: dict[Key, Target] = {}
        if not self.wanted("FG104"):
            return []
        met = {(u.site, u.path) for u in graph.of_kind("backward")}  # what was not run again is not
        met -= {(d.use.site, d.use.path) for d in root_demands(graph)}
        rewrapped_here = {h.use.thing for h in self.hazards if h.rule == "FG205"}
        rewrapped_here |= {h.use.thing for h in self.evidence.hazards if h.rule == "FG206"}
        meaning = Meaning(self.project, self.base)
        unmet_here = [d for target in self.refused for d in target.demands]
        for demand in self.evidence.roots:
            upstream = self.base.upstream([demand.thing])
            if (
                (demand.use.site, demand.use.path) in met
                or not rewrapped_here.isdisjoint(upstream)
                or any(key_of(t) in self.named for t in upstream)
                or meaning.meant_for(demand, unmet_here)
            ):
                continue
            possible, reason = meaning.candidates_of(demand)
            for thing in possible:
                target = found.setdefault(key_of(thing), Target(thing, thing))
                target.add(demand)
                if reason is not None and not self._is_hidden(target):
                    self.refused.setdefault(target, reason)
        return [t for t in found.values() if not self._is_hidden(t)]

    def _result(self) -> list[Planned]:
        planned: list[Planned] = []
        for target in self.targets:
            mine = [h for h in self.hazards if belongs(self.base, h, target)]
            own = [o for h in mine for o in h.operations]
            trip = next((h for h in mine if h.rule == "FG206"), None)
            if target in self.refused:
                planned.append(Planned(target, trip, (), Applicability.SAFE, self.refused[target]))
                continue
            operations = (*own, *self.form(target), *self.ripples[target])
            judged = is_integer(self.base, target.thing) or bool(target.lifted)
            level = Applicability.UNSAFE if judged else Applicability.SAFE
            planned.append(Planned(target, trip, operations, level))
        for hazard in self.hazards:
            if any(belongs(self.base, hazard, t) for t in self.targets):
                continue
            reason = hazard.reason or hazard.what
            refusal = (hazard.refusal, reason) if hazard.refusal else ("", "")
            planned.append(Planned(None, hazard, hazard.operations, hazard.applicability, refusal))
        return planned
