"""Looks at one text as it stands in an editor, saved or not, with its project around it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from fixgrad import pipeline
from fixgrad.edits import Edit
from fixgrad.findings import Finding
from fixgrad.options import Options
from fixgrad.patching import plan_patches
from fixgrad.project import digest, matcher
from fixgrad.report import Entry
from fixgrad.settings.resolve import options_of, resolve
from fixgrad.source import Source
from fixgrad.suppressions.insertion import insertions


class Seen(NamedTuple):
    """What was found in one version of a text."""

    source: Source
    version: int | None
    entries: tuple[Entry, ...] = ()
    every_repair: tuple[Edit, ...] = ()  # all that --fix would do, together


def look(path: str, text: str, version: int | None, unsaved: Mapping[str, bytes]) -> Seen | None:
    """Analyse a text; None where it cannot be, as it is not Python at the moment.

    `unsaved` are the other texts in the editor, by their absolute paths.
    """
    source = Source(path, text, "utf-8", False, digest(text.encode("utf-8", "surrogatepass")))
    options = _options(path)
    if matcher(options.exclude)(path):
        return Seen(source, version)
    outcome = pipeline.run_on_source(source, options, unsaved)
    if outcome.problems:
        return None
    made = pipeline.entries_of(outcome.repaired, [source], options)
    entries = sorted(
        (*outcome.entries, *made), key=lambda entry: (entry.finding.span, entry.finding.rule)
    )
    edits = tuple(edit for _, patch in outcome.patches for edit in patch.edits)
    return Seen(source, version, tuple(entries), edits)


def hiding(seen: Seen, finding: Finding) -> tuple[Edit, ...]:
    """Return what writes a comment that hides a finding."""
    marks = insertions([finding], {seen.source.path: seen.source}, "")
    plan = plan_patches([seen.source], marks, traceback=False)
    return tuple(edit for _, patch in plan.patches for edit in patch.edits)


def _options(path: str) -> Options:
    return options_of(resolve((path,)), (path,))._replace(diff=True)


def place_of(path: str) -> str:
    """Return the path by which unsaved texts are known."""
    return os.path.abspath(path).replace(os.sep, "/")
