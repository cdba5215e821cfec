"""Looks at one file as it stands in an editor, saved or not, with its project around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fixgrad import pipeline
from fixgrad.edits import Edit, Patch
from fixgrad.findings import Finding, Repair
from fixgrad.lsp.paper import Paper
from fixgrad.options import Options
from fixgrad.patching import as_read, plan_patches
from fixgrad.pipeline import Outcome
from fixgrad.project import matcher
from fixgrad.report import Entry
from fixgrad.settings.resolve import options_of, resolve
from fixgrad.source import Problem, Source
from fixgrad.suppressions.insertion import insertions

_ELSEWHERE = "FG911"  # a repair is refused as it edits another file


class Seen(NamedTuple):
    """What was found in one version of a file."""

    paper: Paper
    source: Source
    entries: tuple[Entry, ...] = ()
    every_repair: tuple[Edit, ...] = ()  # all that --fix would do to this file, together
    others: tuple[Source, ...] = ()  # files that a finding's path goes through


def look(paper: Paper, languages: dict[str, str], unsaved: Mapping[str, bytes]) -> Seen | None:
    """Analyse a file; None where it cannot be, as it is not Python at the moment.

    `unsaved` are the other texts in the editor, by their absolute paths.
    """
    source = paper.source(languages)
    if isinstance(source, Problem):
        return None
    options = _options(source.path)
    if matcher(options.exclude)(source.path):
        return Seen(paper, source)
    outcome = pipeline.run_on_source(source, options, unsaved)
    if outcome.problems:
        return None
    repairs = [e.outcome for e in outcome.entries if isinstance(e.outcome, Repair)]
    every_repair = _edits(pipeline.patches_of([source], repairs, options))
    if any(entry.tag == _ELSEWHERE for entry in outcome.entries):
        wide = pipeline.run_on_source(source, options._replace(edits_around=True), unsaved)
        outcome = outcome if wide.problems else _with_repairs_elsewhere(outcome, wide)
    mine = [entry for entry in outcome.entries if entry.finding.span.path == source.path]
    entries = sorted(mine, key=lambda entry: (entry.finding.span, entry.finding.rule))
    return Seen(paper, source, tuple(entries), every_repair, outcome.others)


def _with_repairs_elsewhere(outcome: Outcome, wide: Outcome) -> Outcome:
    """Return what was found with repairs that edit other files in place of the refusals to do so."""
    known = {(e.finding.rule, e.finding.span): e for e in wide.entries if e.edits}
    entries = (
        known.get((e.finding.rule, e.finding.span), e) if e.tag == _ELSEWHERE else e
        for e in outcome.entries
    )
    return outcome._replace(entries=tuple(entries), others=wide.others)


def hiding(seen: Seen, finding: Finding) -> tuple[Edit, ...]:
    """Return what writes a comment that hides a finding."""
    marks = insertions([finding], {seen.source.path: seen.source}, "")
    return _edits(plan_patches([seen.source], marks, traceback=False).patches)


def _edits(patches: Iterable[tuple[Source, Patch]]) -> tuple[Edit, ...]:
    """Return the edits of patches, those of a notebook in the lines of its cells."""
    return tuple(
        edit
        for source, patch in patches
        for part in as_read({source.path: source}, {patch.path: patch})
        for edit in part.edits
    )


def _options(path: str) -> Options:
    return options_of(resolve((path,)), (path,))
