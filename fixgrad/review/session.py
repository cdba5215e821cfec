"""Offers the repairs of a project one after the other, and plans anew what a decision changes.

What is left is planned as if what was rejected was not there; an accepted repair that comes out otherwise by a later
decision is offered again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from fixgrad.analysis import studies
from fixgrad.conclusion import Analysis, Study, conclude
from fixgrad.depth import deeply
from fixgrad.edits import Patch
from fixgrad.findings import Applicability, Finding, Repair
from fixgrad.knowledge.models import Models
from fixgrad.opening import Opened
from fixgrad.options import Options
from fixgrad.patching import Plan, plan_patches
from fixgrad.pipeline import entries_of, runs_of, with_runs
from fixgrad.policy import Policy
from fixgrad.repair.responsibility import is_copy
from fixgrad.report import Entry
from fixgrad.report.fingerprint import fingerprints
from fixgrad.review.decisions import Decision
from fixgrad.source import Source, Span

Place: TypeAlias = "tuple[str, Span]"  # of a finding: its rule and where it is said

_STYLES = ("tensor", "requires_grad_")


class Form(NamedTuple):
    """One way to write a repair."""

    style: str
    line: str  # the first that it writes
    copies: bool  # the tensor gets memory of its own

    def told(self, among: Sequence[Form]) -> str:
        """Return the line, and what tells it from the others."""
        if len({form.copies for form in among}) == 1:
            return self.line
        return f"{self.line}  ({'copies the array' if self.copies else 'shares its memory'})"


class Choice(NamedTuple):
    """A repair to decide on."""

    entry: Entry
    repair: Repair
    forms: tuple[Form, ...]  # the ways that come out right, where there are several
    style: str  # the one of them that is shown, or "auto"
    again: bool  # it was accepted, but other decisions have changed it
    number: int
    total: int

    @property
    def place(self) -> Place:
        """What tells it from the others."""
        return self.repair.finding.rule, self.repair.finding.span


class Session:
    """The decisions about one state of the files."""

    def __init__(self, opened: Opened, options: Options, decisions: Iterable[Decision]) -> None:
        self._opened = opened
        self._options = options._replace(unsafe=True, diff=True)
        self._studies = _studies(opened, options.known_calls())
        self._runs = runs_of(options, opened.sources)
        self._policy = with_runs(self._options.policy(opened.files), self._runs)
        self._names: dict[Place, str] = {}  # fingerprints
        self._answers: dict[Place, bool] = {}
        self._shown: dict[Place, str] = {}  # the diff that was accepted
        self._styles: dict[Place, str] = {}
        self._rules: set[tuple[str, Applicability]] = set()  # accepted once and for all
        self._closed = False
        self._last: tuple[object, Analysis] | None = None
        self._recall(decisions)

    def _recall(self, decisions: Iterable[Decision]) -> None:
        by_name = {each.fingerprint: each for each in decisions}
        for repair in self._repairs():
            place = (repair.finding.rule, repair.finding.span)
            known = by_name.get(self._names[place])
            if known is not None:
                self._answers[place] = known.accepted
                if known.style in _STYLES:
                    self._styles[place] = known.style

    def next(self) -> Choice | None:
        """Return what is to be decided on next."""
        repairs = self._repairs()
        places = {(repair.finding.rule, repair.finding.span) for repair in repairs}
        total = len(places | self._answers.keys())
        for repair in repairs:
            finding = repair.finding
            place = (finding.rule, finding.span)
            (entry,) = entries_of([repair], self._opened.sources, self._options, self._runs)
            answer = self._answers.get(place)
            if answer is None and (finding.rule, repair.applicability) in self._rules:
                answer = self._answers[place] = True
                self._shown[place] = entry.diff
            if answer is None and self._closed:
                continue
            shown = self._shown.setdefault(place, entry.diff) if answer else None
            if answer is None or (answer and shown != entry.diff):
                forms = self._forms(repair, entry)
                style = self._styles.get(place, "auto")
                again = answer is not None
                number = len(self._answers.keys() - {place}) + 1
                return Choice(entry, repair, forms, style, again, number, total)
        return None

    def accept(self, choice: Choice, *, whole_rule: bool = False) -> None:
        """Repair it as shown; with `whole_rule` also all that is to come of its rule, as safe as it."""
        self._answers[choice.place] = True
        self._shown[choice.place] = choice.entry.diff
        if not whole_rule:
            return
        kind = (choice.repair.finding.rule, choice.repair.applicability)
        self._rules.add(kind)
        for repair in self._repairs():
            if (repair.finding.rule, repair.applicability) == kind:
                self._answers.setdefault((repair.finding.rule, repair.finding.span), True)

    def reject(self, choice: Choice) -> None:
        """Leave it as it is; what remains is planned without it."""
        self._answers[choice.place] = False

    def restyle(self, choice: Choice, style: str) -> None:
        """Write it in another form."""
        self._styles[choice.place] = style
        self._answers.pop(choice.place, None)

    def close(self, *, reject: bool = False) -> None:
        """Leave everything that is not decided yet; with `reject`, as a decision."""
        for repair in self._repairs() if reject else ():
            self._answers.setdefault((repair.finding.rule, repair.finding.span), False)
        self._closed = True

    def plan(self) -> Plan:
        """Return the patches of what was accepted."""
        return self._plan_of(self._accepted())

    def with_it(self, choice: Choice) -> list[tuple[Source, Patch]]:
        """Return the files that a repair changes as they would be, with what was accepted before."""
        plan = self._plan_of([*self._accepted(), choice.repair])
        paths = {operation.span.path for operation in choice.repair.operations}
        return [(source, patch) for source, patch in plan.patches if patch.path in paths]

    def decisions(self) -> list[Decision]:
        """Return what was decided."""
        sources = {source.path: source for source in self._opened.sources}
        return [
            Decision(
                self._names[place],
                accepted,
                self._styles.get(place, "auto"),
                place[0],
                place[1].path,
                _first_line(sources, place[1]),
            )
            for place, accepted in self._answers.items()
            if place in self._names
        ]

    def _plan_of(self, repairs: Sequence[Repair]) -> Plan:
        return plan_patches(self._opened.sources, list(repairs), self._options.traceback)

    def _accepted(self) -> list[Repair]:
        return [r for r in self._repairs() if self._answers.get((r.finding.rule, r.finding.span))]

    def _repairs(self) -> list[Repair]:
        """Return the repairs that may be offered, as they are planned now."""
        found = self._analysis(self._styles)
        return [
            r
            for r in found.repairs
            if r.operations and self._policy.makes(r.finding.rule, r.applicability)
        ]

    def _forms(self, repair: Repair, entry: Entry) -> tuple[Form, ...]:
        if not any("requires_grad" in operation.argument for operation in repair.operations):
            return ()
        place = (repair.finding.rule, repair.finding.span)
        found: dict[str, Form] = {}
        for style in _STYLES:
            analysis = self._analysis({**self._styles, place: style})
            for other in analysis.repairs:
                if (other.finding.rule, other.finding.span) == place:
                    (shown,) = entries_of([other], self._opened.sources, self._options)
                    copies = is_copy(other.operations)
                    found.setdefault(shown.diff, Form(style, _added(shown.diff), copies))
        return tuple(found.values()) if len(found) > 1 else ()

    def _analysis(self, styles: Mapping[Place, str]) -> Analysis:
        left = frozenset(place for place, accepted in self._answers.items() if not accepted)
        if self._closed:
            left |= {place for place in self._names if place not in self._answers}
        key = (left, frozenset(styles.items()))
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        analysis = self._concluded(left, styles)
        if styles == self._styles:
            self._last = (key, analysis)
        return analysis

    def _concluded(self, left: frozenset[Place], styles: Mapping[Place, str]) -> Analysis:
        sources = self._opened.sources

        def passed_over(findings: Sequence[Finding]) -> set[Place]:
            by_path = {source.path: source for source in sources}
            places = [(finding.rule, finding.span) for finding in findings]
            self._names.update(zip(places, fingerprints(findings, by_path), strict=True))
            return self._opened.passed_over.of(findings, sources) | left

        def style(place: Span) -> str:
            chosen = (style for (_, span), style in styles.items() if span == place)
            return next(chosen, self._options.style)

        policy: Policy = self._policy._replace(passed_over=passed_over, style=style)
        found = [analysis for each in self._studies if (analysis := _concluded(each, policy))]
        return Analysis(
            tuple(repair for analysis in found for repair in analysis.repairs),
            tuple(refusal for analysis in found for refusal in analysis.refusals),
            (),
        )


def _studies(opened: Opened, models: Models | None) -> list[Study]:
    """Follow the project or, where a bug of ours stops that, each file by itself, as a run does."""
    if not opened.sources:
        return []
    try:
        return studies(opened.sources, opened.around, models)
    except Exception:  # the run at the end tells of it
        alone = [opened._replace(sources=(source,)) for source in opened.sources]
        return [each for one in alone for each in _studies(one, models)] if len(alone) > 1 else []


def _concluded(each: Study, policy: Policy) -> Analysis | None:
    try:
        return deeply(lambda: conclude([each], policy))
    except Exception:  # the run at the end tells of it
        return None


def _added(diff: str) -> str:
    """Return the first line that a diff adds."""
    lines = diff.splitlines()
    return next((line[1:].strip() for line in lines if line.startswith("+")), "")


def _first_line(sources: Mapping[str, Source], span: Span) -> str:
    lines = sources[span.path].lines() if span.path in sources else []
    return "".join(lines[span.line - 1 : span.line]).strip()
