"""What a second run would repair after the first one: nothing. Where it would, the first was not right.

The files that a plan changes are planned for again as they would be then, with the files around them. What
would be repaired once more is a bug of ours: the repairs of that file are taken out of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.findings import Repair
from fixgrad.patching import Plan, bug, is_bug, told
from fixgrad.project import Surroundings
from fixgrad.source import Problem, Source

_MOST_ROUNDS = 3
_OF_COMMENTS = "FG401"  # what a repair leaves without use does no harm


class Again(NamedTuple):
    """What a second run makes of the files."""

    repairs: tuple[Repair, ...]  # that it would make
    problems: tuple[Problem, ...]


class SecondLook(NamedTuple):
    """How to plan for files once more."""

    after: Callable[[Plan], Sequence[Source]]  # the files as a plan leaves them
    replan: Callable[[list[Repair]], Plan]
    again: Callable[[Plan, Sequence[Source], Surroundings | None], Again]  # a second run
    nearby: Callable[[Sequence[str]], Surroundings] | None  # around a few files; None: look at all
    around: Surroundings | None  # all of them

    def checked(self, plan: Plan, known: Sequence[Problem]) -> Plan:
        """Return the plan less what would be repaired a second time, or is not understood then.

        `known` are the problems of the first run.
        """
        for _ in range(_MOST_ROUNDS):
            if not plan.patches:
                return plan
            problems = _problems(plan, self._again(plan), known)
            if not problems:
                return plan
            places = {problem.path for problem in problems}
            rest = [r for r in plan.repairs if places.isdisjoint(o.span.path for o in r.operations)]
            found = self.replan(rest)
            plan = found._replace(
                refusals=(*plan.refusals, *found.refusals),
                problems=(*plan.problems, *found.problems, *problems),
            )
        return plan._replace(repairs=(), patches=())

    def _again(self, plan: Plan) -> Again:
        """Look at the changed files; where something is found there, at all of them."""
        paths = {source.path for source, _ in plan.patches}
        after = self.after(plan)
        few = [source for source in after if source.path in paths]
        if len(few) < len(paths):  # one that was not given is changed: it is read as it is on disk
            return Again((), ())
        if self.around is None or self.nearby is None or len(after) < 2 * len(few):
            return self.again(plan, after, self.around)
        found = self.again(plan, few, self.nearby(sorted(paths)))
        return self.again(plan, after, self.around) if any(found) else found


def _problems(plan: Plan, found: Again, before: Sequence[Problem]) -> list[Problem]:
    patches = {source.path: patch for source, patch in plan.patches}
    known = {problem.path for problem in plan.problems}
    refused = {(refusal.finding.rule, refusal.finding.span.path) for refusal in plan.refusals}
    problems: dict[str, Problem] = {}
    for repair in found.repairs:
        finding = repair.finding
        paths = {finding.span.path, *(o.span.path for o in repair.operations)}
        if finding.rule == _OF_COMMENTS or not known.isdisjoint(paths):
            continue
        if (finding.rule, finding.span.path) in refused:  # two that have no place together
            continue
        for path in sorted(paths & patches.keys() or patches.keys()):
            problems.setdefault(path, _repeated(path, repair, patches[path]))
    met = {problem.path for problem in before}
    for problem in filter(is_bug, found.problems):
        if problem.path in met:
            continue
        for path in sorted({problem.path} & patches.keys() or patches.keys()):
            problems.setdefault(path, problem._replace(path=path))
    return list(problems.values())


def _repeated(path: str, repair: Repair, patch: Patch) -> Problem:
    details = [
        *("planned:", told(patch.edits), "", "and after that:"),
        *(f"{operation.span} {operation.kind} {operation.argument}" for operation in repair.operations),
    ]  # fmt: skip
    said = f"a second run would repair {repair.finding.rule} once more at {repair.finding.span}"
    return bug(path, f"{said}; the file is left as it is", "\n".join(details))
