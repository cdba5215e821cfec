"""The Python interface: check a text, repair a text, analyse a project. Nothing here writes or prints.

Imported by its functions' first use: `import fixgrad` stays light. What is promised to stay are the
names in `__all__` and the fields they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from fixgrad import pipeline, project, write
from fixgrad import source as values
from fixgrad.errors import FixgradError
from fixgrad.findings import Refusal
from fixgrad.options import Options
from fixgrad.pipeline import Outcome
from fixgrad.report import Entry
from fixgrad.report.fingerprint import fingerprints
from fixgrad.settings.resolve import options_of, resolve

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = [
    "Analysis",
    "Checked",
    "Diagnostic",
    "FilePatch",
    "Fixed",
    "FixgradError",
    "Location",
    "Problem",
    "Step",
    "analyze_project",
    "check_source",
    "fix_source",
]


class Location(NamedTuple):
    """A half-open stretch of a file; lines and columns count from 1, columns in characters."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None  # of a notebook; lines count in their cell then


class Step(NamedTuple):
    """One place on the path from the conversion to what demands the gradient."""

    location: Location
    what: str  # "made here", "passed into `fit`", "demanded here: its `.grad` is read"
    effect: (
        str  # "made", "carries", "alias", "call", "cut", "assumed", "demand", "wrong", "backward"
    )


class Diagnostic(NamedTuple):
    """One finding and what becomes of it: a repair, or the reason why there is none."""

    code: str  # "FG102"
    message: str
    location: Location
    confidence: str  # "high", "medium", "low"
    safety: Literal["safe", "unsafe", "display"] | None  # of the repair; None where it is refused
    fixable: bool  # whether it is repaired under the options given
    title: str  # of the repair, or ""
    diff: str  # of this repair alone, or ""
    refusal: str  # "FG902", or ""
    reason: str  # of the refusal, or ""
    steps: tuple[Step, ...]
    fingerprint: str  # stays the same when lines are added elsewhere


class Problem(NamedTuple):
    """Why a file could not be analysed; the other files go on."""

    path: str
    line: int | None  # from 1
    column: int | None  # from 1
    message: str


class Checked(NamedTuple):
    """What was found in one text."""

    diagnostics: tuple[Diagnostic, ...]
    problems: tuple[Problem, ...]


class Fixed(NamedTuple):
    """One text after its repairs."""

    text: str  # the same as before where nothing is repaired
    changed: bool
    fixed: tuple[Diagnostic, ...]  # places are those of the text as it was
    remaining: tuple[Diagnostic, ...]  # places are those of the new text
    problems: tuple[Problem, ...]


class FilePatch(NamedTuple):
    """One file before and after."""

    path: str
    before: str
    after: str


class Analysis(NamedTuple):
    """What was found in a project, and the repairs that go together; nothing is written yet."""

    files: int  # how many were looked at
    diagnostics: tuple[Diagnostic, ...]
    problems: tuple[Problem, ...]
    patches: tuple[FilePatch, ...]
    patch: bytes  # all of them, as `git apply` takes it from the top of the repository
    write: Callable[[], None]  # writes every file or none; FixgradError where one changed since


def check_source(
    text: str | bytes,
    path: str = "<string>",
    *,
    unsafe_fixes: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    config: str | None = None,
) -> Checked:
    """Find what lacks a gradient in one text.

    Where `path` is a file, the text is taken for what it is about to hold, and the other files of
    its project are looked into as far as they matter. No settings file is read but the one that
    `config` names; what is given here comes before that.
    """
    options = _options(path, unsafe_fixes, select, ignore, config)
    outcome = _run(path, text, options)
    return Checked(_diagnostics(outcome.entries, outcome.sources), _problems(outcome))


def fix_source(
    text: str,
    path: str = "<string>",
    *,
    unsafe_fixes: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    config: str | None = None,
) -> Fixed:
    """Repair one text, as `fixgrad --fix` would; every character outside the edits stays.

    Repairs that need edits in other files are among what remains. `config` names a settings file.
    """
    options = _options(path, unsafe_fixes, select, ignore, config)._replace(fix=True)
    outcome = _run(path, text, options)
    after = text
    for source, patch in outcome.patches:
        if source.notebook is None:
            after = "\ufeff" * source.bom + patch.after
        else:
            after = write.encoded(source, patch).decode(source.encoding)
    before = [source for source, _ in outcome.patches]
    fixed = pipeline.entries_of(outcome.repaired, before, options)
    return Fixed(
        after,
        after != text,
        _diagnostics(fixed, before),
        _diagnostics(outcome.entries, outcome.sources),
        _problems(outcome),
    )


def analyze_project(
    *paths: str,
    unsafe_fixes: bool | None = None,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    config: str | None = None,
    isolated: bool = False,
    jobs: int = 1,
    executor: Executor | None = None,
) -> Analysis:
    """Analyse files and folders together, the current folder where none is given.

    The settings of the project hold as for the command line, and what is given here comes before
    them; `config` names another settings file, `isolated` reads none.

    Large projects are shared out over so many processes as `jobs` says, 0 for one a processor; the setting
    of this name is for the command line. An `executor` reads the files: threads, processes or a cluster,
    whose workers have the same fixgrad; it is left open. What is found does not depend on either.
    """
    given = {
        "unsafe-fixes": unsafe_fixes,
        "select": tuple(select) if select is not None else None,
        "ignore": tuple(ignore) if ignore is not None else None,
        "exclude": tuple(exclude) if exclude is not None else None,
    }
    resolved = resolve(paths, given, config=config, isolated=isolated)
    options = options_of(resolved, paths)._replace(diff=True, jobs=jobs, executor=executor)
    planned = pipeline.run(options)
    entries = [
        *planned.entries,
        *pipeline.entries_of(planned.repaired, planned.sources, options),
    ]
    entries.sort(key=lambda entry: (entry.finding.span, entry.finding.rule))
    patches = tuple(FilePatch(p.path, p.before, p.after) for _, p in planned.patches)
    from fixgrad.report.patch import render  # noqa: PLC0415  (it loads libcst)

    return Analysis(
        planned.files,
        _diagnostics(entries, planned.sources),
        _problems(planned),
        patches,
        render(planned.patches) if planned.patches else b"",
        lambda: write.write(planned.patches),
    )


def _options(
    path: str, unsafe: bool, select: Sequence[str], ignore: Sequence[str], config: str | None
) -> Options:
    if config is None:
        return Options(unsafe=unsafe, select=tuple(select), ignore=tuple(ignore))
    given = {
        "unsafe-fixes": unsafe or None,
        "select": tuple(select) or None,
        "ignore": tuple(ignore) or None,
    }
    return options_of(resolve((path,), given, config=config))


def _run(path: str, text: str | bytes, options: Options) -> Outcome:
    if isinstance(text, str):
        return pipeline.run_on_source(project.from_text(path, text), options)
    return pipeline.run_on_text(path, text, options)


def _problems(outcome: Outcome) -> tuple[Problem, ...]:
    found = []
    for path, line, column, message, _ in outcome.problems:
        found.append(Problem(path, int(line) or None, column + 1 if line else None, message))
    return tuple(found)


def _diagnostics(
    entries: Iterable[Entry], sources: Iterable[values.Source]
) -> tuple[Diagnostic, ...]:
    entries = list(entries)
    by_path: Mapping[str, values.Source] = {source.path: source for source in sources}
    names = fingerprints([entry.finding for entry in entries], by_path)
    return tuple(map(_diagnostic, entries, names))


def _diagnostic(entry: Entry, fingerprint: str) -> Diagnostic:
    finding, outcome = entry.finding, entry.outcome
    refused = isinstance(outcome, Refusal)
    level: dict[str, Literal["safe", "unsafe", "display"]] = {
        "safe": "safe", "unsafe": "unsafe", "display": "display",
    }  # fmt: skip
    return Diagnostic(
        code=finding.rule,
        message=finding.message,
        location=_location(finding.span),
        confidence=finding.confidence,
        safety=level.get(entry.tag),
        fixable=entry.fixable,
        title="" if isinstance(outcome, Refusal) else outcome.title,
        diff=entry.diff,
        refusal=entry.tag if refused else "",
        reason=outcome.reason if isinstance(outcome, Refusal) else "",
        steps=tuple(Step(_location(s.span), s.what, s.effect) for s in finding.trace),
        fingerprint=fingerprint,
    )


def _location(span: values.Span) -> Location:
    first, last = span.rows
    return Location(span.path, first, span.column + 1, last, span.end_column + 1, span.cell)
