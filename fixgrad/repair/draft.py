"""The plan as it stands: what is to be tracked, the form of each grant, and all that a grant makes necessary.

The search for a plan that runs is `Planner`; here is what it changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.project import Project
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import Hazard, line_of
from fixgrad.repair.bounds import outside
from fixgrad.repair.forms import Form
from fixgrad.repair.lift import Lifts, cut_at, lifted
from fixgrad.repair.responsibility import is_copy
from fixgrad.repair.targets import Target


class Draft:
    """The targets of a plan and what is written for each, or why a target is refused."""

    def __init__(
        self, project: Project, base: FlowGraph, hazards: Iterable[Hazard], lifts: Lifts
    ) -> None:
        self.project = project
        self.base = base
        self.hazards = list(hazards)
        self.lifts = lifts
        self.targets: list[Target] = []
        self.forms: dict[Target, tuple[Form, ...]] = {}
        self.chosen: dict[Target, int] = {}
        self.ripples: dict[Target, dict[Operation, None]] = {}
        self.refused: dict[Target, tuple[str, str]] = {}
        self.simulated: set[Operation] = set()  # the plan that the last simulation followed
        self.written: dict[Target, tuple[Operation, ...]] = defaultdict(tuple)  # NumPy in torch

    def lift_round_trips(self) -> None:
        """Let what can be written in torch be written so: a target whose form that is."""
        for number, hazard in enumerate(self.hazards):
            if hazard.rule != "FG206":
                continue
            target, self.hazards[number] = lifted(self.lifts, hazard)
            if target is not None:
                self.targets.append(target)
                self.forms[target] = (self.lifts.of(hazard.use.thing).operations,)
                self.chosen[target], self.ripples[target] = 0, {}

    def operations(self) -> list[Operation]:
        """Return every operation of the plan as it stands."""
        found: dict[Operation, None] = {}
        for hazard in self.hazards:
            if not hazard.refusal:
                found.update(dict.fromkeys(hazard.operations))
        for target in self.active():
            found.update(dict.fromkeys(self.form(target)))
            found.update(self.ripples[target])
        return list(found)

    def places(self) -> set[Site]:
        """Return where the targets are made and asked for."""
        found = {d.use.site for t in self.targets for d in t.demands}
        return found | {t.thing.site for t in self.targets if t.thing.site is not None}

    def active(self) -> list[Target]:
        """Return the targets that are not refused."""
        return [t for t in self.targets if t not in self.refused]

    def form(self, target: Target) -> Form:
        """Return the form that a target's grant has now."""
        return self.forms[target][self.chosen[target]]

    def ripple(self, target: Target, hazard: Hazard) -> bool:
        """Mend for a target what its grant breaks; say whether that changes the plan."""
        if target in self.refused:
            return False
        if hazard.refusal:
            self.refused[target] = (hazard.refusal, f"{line_of(hazard.use.site)}: {hazard.what}")
            return True
        stopped = outside(self.project, hazard.operations)
        if stopped is not None:
            self.refused[target] = stopped
            return True
        new = [o for o in hazard.operations if o not in self.ripples[target]]
        self.ripples[target].update(dict.fromkeys(new))
        if not new and self.simulated.issuperset(hazard.operations):
            self.refused[target] = ("FG910", f"{line_of(hazard.use.site)}: {hazard.what}")
            return True
        return bool(new)

    def next_form(self, target: Target, why: str) -> bool:
        """Copy the array, or share its memory, as a use asks for; say whether that changes the plan."""
        forms, now = self.forms[target], self.chosen[target]
        copies = [is_copy(form) for form in forms]
        want_copy = why != "stale"
        if copies[now] is want_copy:
            return False
        for number, form_copies in enumerate(copies):
            if form_copies is want_copy and number > now:
                self.chosen[target] = number
                return True
        self.refused[target] = (
            "FG909",
            "the array is written and read in ways that neither a copy nor shared memory suits",
        )
        return True

    def lift(self, target: Target, conversions: list[Thing]) -> bool:
        """Write in torch what cuts a target off; or say why not, where a line of NumPy is to blame."""
        new = [t for t in conversions if t.site is not None and t.site not in target.lifted]
        if not new:
            return False
        for thing in sorted(new, key=lambda t: t.number):
            lift = self.lifts.of(thing)
            if lift.reason:
                self.refused[target] = ("FG902", cut_at(thing.site, lift))
                return False
            target.lifted |= lift.sites
            self.written[target] += lift.operations
        # What was mended for a value that leaves for NumPy is not needed where it does not leave.
        self.ripples[target] = dict.fromkeys(self.written[target])
        return True
