"""What the main command does once its options are read, and what it says where."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from fixgrad import pipeline, project
from fixgrad.cli import bar
from fixgrad.cli.streams import emit, note, save
from fixgrad.edits import Patch
from fixgrad.findings import CONFIDENCES, Repair
from fixgrad.opening import find_files
from fixgrad.patching import is_bug
from fixgrad.pipeline import Options, Outcome
from fixgrad.report import INVENTORIES, Report, render, statistics, summary
from fixgrad.report.colour import paint_diff
from fixgrad.report.entry import (
    CONFIRMED,
    CONTRADICTED,
    CONTRADICTS,
    EXECUTED,
    NEVER,
    Conversion,
)
from fixgrad.report.patch import render as patches
from fixgrad.report.summary import count
from fixgrad.source import Source
from fixgrad.write import encoded

if TYPE_CHECKING:
    from fixgrad.explain.watch import Watch

_STDIN = "-"
_DONE = (("would repair", "repaired"), ("would mark", "marked"))


class Output(NamedTuple):
    """How to say what was found, and what the exit code makes of it."""

    form: str
    colour: bool
    width: int | None
    quiet: bool
    verbose: bool
    exit_zero: bool
    exit_non_zero_on_fix: bool
    fail_on: str = CONFIDENCES[0]  # the least certain finding that makes it 1, or "never"
    strict: bool = False  # it is 1 too where the baseline could be shorter
    file: str | None = None  # where the report goes in place of standard output
    statistics: bool = False  # numbers in place of findings
    page: str | None = None  # where the review page goes
    paths: bool = False  # of findings, in the concise report too
    baseline: bool = False  # what is reported is not in it
    patch: str | None = None  # where the repairs go as a patch, beside the report
    show_fixes: bool = False  # list what was repaired
    watch: Watch | None = None  # what takes notes for an inventory

    def put(self, data: bytes | str) -> None:
        """Write the report or the patch where it is to go."""
        if self.file is None:
            emit(data)
        else:
            save(self.file, data)


def answer(options: Options, output: Output, stdin_filename: str | None) -> int:
    """Run the analysis, say what was found, and return the exit code."""
    started = time.perf_counter()
    if output.form in INVENTORIES and not options.writes:
        from fixgrad.explain.watch import Watch  # noqa: PLC0415  (it loads the analysis)

        output = output._replace(watch=Watch())
        options = options._replace(handlers=output.watch.handlers if output.watch else None)
    if _STDIN in options.paths or (stdin_filename and not options.paths):
        outcome = _from_stdin(stdin_filename or "<stdin>", options, output)
    elif stdin_filename:
        raise click.UsageError("--stdin-filename goes with the path -, not with files")
    else:
        with bar.shown(output.quiet):
            outcome = pipeline.run(options)
        _show(outcome, options, output)
    if output.verbose:
        kept = ", none of which has changed since the last run" if outcome.is_recalled else ""
        took = time.perf_counter() - started
        note(f"looked at {count(outcome.files, 'file')} in {took:.2f} s{kept}")
    return _exit_code(outcome, options, output)


def conclude(
    options: Options,
    output: Output,
    repairs: Sequence[Repair],
    patches: tuple[tuple[Source, Patch], ...],
    *,
    listed: bool,
) -> int:
    """Say what remains once some repairs were written, or shown; and return the exit code."""
    outcome = pipeline.run(options._replace(fix=False, diff=False))
    made = {(repair.finding.rule, repair.finding.span) for repair in repairs if options.diff}
    entries = (e for e in outcome.entries if (e.finding.rule, e.finding.span) not in made)
    outcome = outcome._replace(entries=tuple(entries), repaired=tuple(repairs), patches=patches)
    options = options._replace(fix=not options.diff)
    if listed:
        _show(outcome, options, output)
    else:
        _show_rest(outcome, options, output, listed=True)
    return _exit_code(outcome, options, output)


def list_files(options: Options) -> int:
    """Print the files that a run would look at."""
    emit("".join(f"{path}\n" for path in find_files(options)))
    return 0


def _from_stdin(name: str, options: Options, output: Output) -> Outcome:
    """Be a filter: with --fix the repaired text goes to standard output, whatever was found."""
    if options.paths not in ((_STDIN,), ()):
        raise click.UsageError("the path - stands for standard input and goes with no other path")
    if options.since is not None or options.write_baseline:
        raise click.UsageError("--since and --write-baseline go with files, not with the path -")
    data = sys.stdin.buffer.read() if sys.stdin else b""
    outcome = pipeline.run_on_text(name, data, options)
    if not options.writes or options.diff:
        _show(outcome, options, output)
        return outcome
    repaired = data
    for source, patch in outcome.patches:
        repaired = encoded(source, patch)
    emit(repaired)
    if output.file is not None:
        output.put(_report(outcome, options, output))
    _show_rest(outcome, options, output)
    return outcome


def _show(outcome: Outcome, options: Options, output: Output) -> None:
    if options.diff:
        patch = patches(outcome.patches)
        output.put(paint_diff(patch) if output.colour else patch)
    else:
        output.put(_report(outcome, options, output))
    if output.patch is not None:
        save(output.patch, _patch(outcome, options))
    if output.page is not None:
        from fixgrad.page import render as page  # noqa: PLC0415  (it loads a template library)

        save(output.page, page(_contents(outcome, output)))
    summaries = os.environ.get("GITHUB_STEP_SUMMARY")
    if output.form == "github" and summaries and not options.diff:
        save(summaries, _report(outcome, options, output._replace(form="markdown")), append=True)
    _show_rest(outcome, options, output, listed=not options.diff)


def _show_rest(outcome: Outcome, options: Options, output: Output, *, listed: bool = False) -> None:
    """Write to standard error what standard output has no place for."""
    for problem in outcome.problems:
        note(str(problem))
    _keep_bugs(outcome, options)
    if output.quiet:
        return
    if outcome.entries and not listed:
        plain = output._replace(form="concise", colour=False, statistics=False)
        note(_report(outcome, options, plain).rstrip("\n"))
    if outcome.files == 0 and not outcome.problems:
        note("no Python files found")
        return
    if outcome.repaired:
        if output.show_fixes:
            lines = (
                f"{repair.finding.span}: {repair.finding.rule} {repair.title}"
                for repair in outcome.repaired
            )
            note("\n".join(lines))
        done = _DONE[options.mark is not None][options.writes]
        findings = count(len(outcome.repaired), "finding")
        note(f"{done} {findings} in {count(len(outcome.patches), 'file')}")
    silent = outcome.repaired or outcome.problems or options.write_baseline
    if outcome.entries or not silent:
        note(summary(outcome.entries, files=outcome.files))
    _show_baseline(outcome, options)
    if options.evidence is not None:
        _show_evidence(outcome, options.evidence)
    if outcome.deferred:
        note(f"{count(outcome.deferred, 'finding')} left for later by `# fixgrad: fixme`")


def _keep_bugs(outcome: Outcome, options: Options) -> None:
    if any(map(is_bug, outcome.problems)):
        from fixgrad.cli.bugs import keep  # noqa: PLC0415  (there should be none)

        keep(outcome.problems, (*outcome.sources, *outcome.others), options)


def _show_baseline(outcome: Outcome, options: Options) -> None:
    if options.write_baseline:
        note(f"recorded {count(outcome.recorded, 'finding')} in {options.baseline}")
    if outcome.known:
        note(f"{count(outcome.known, 'finding')} of the baseline passed over")
    if outcome.gone:
        gone = f"{count(len(outcome.gone), 'finding')} of the baseline"
        done = "taken out" if options.fix else "no longer there; --write-baseline takes that out"
        note("\n".join([f"{gone} {done}:", *(f"  {line}" for line in outcome.gone)]))


def _show_evidence(outcome: Outcome, path: str) -> None:
    words = Counter(entry.evidence.word for entry in outcome.entries if entry.evidence is not None)
    parts = [
        f"{words[word]} {word}"
        for word in (CONFIRMED, CONTRADICTED, EXECUTED, NEVER)
        if words[word]
    ]
    if parts:
        note(f"by the runs of {path}: {', '.join(parts)}")
    for changed in outcome.stale:
        note(f"{changed} has changed since it was run: what {path} says of it counts for nothing")
    if outcome.is_unseen:
        note(f"{path} says nothing of these files")


def _report(outcome: Outcome, options: Options, output: Output) -> str:
    report = _contents(outcome, output)
    if output.statistics:
        return statistics.render(output.form, report)
    if output.form in INVENTORIES:
        report = report._replace(inventory=_inventory(outcome, options, output.watch))
    return render(output.form, report)


def _patch(outcome: Outcome, options: Options) -> bytes:
    """Return what `--fix` with these options would write, or has written."""
    if options.writes or options.diff:
        return patches(outcome.patches)
    entries = (entry.outcome for entry in outcome.entries if entry.fixable)
    repairs = [each for each in entries if isinstance(each, Repair)]
    sources = (*outcome.sources, *outcome.others)
    return patches(pipeline.patches_of(sources, repairs, options))


def _contents(outcome: Outcome, output: Output) -> Report:
    sources = {source.path: source for source in (*outcome.others, *outcome.sources)}
    return Report(
        outcome.entries, sources, outcome.problems, outcome.files, output.colour, output.width,
        paths=output.paths, baseline=output.baseline,
    )  # fmt: skip


def _inventory(outcome: Outcome, options: Options, watch: Watch | None) -> tuple[Conversion, ...]:
    """Return every conversion of what was looked at, as the watch has noted it.

    Where the analysis was not watched, or has met a bug of ours, the files are followed once more.
    """
    from fixgrad.conclusion import Study  # noqa: PLC0415
    from fixgrad.explain.inventory import inventory  # noqa: PLC0415  (it loads the analysis)
    from fixgrad.explain.run import follow, watched  # noqa: PLC0415

    paths = [source.path for source in outcome.sources]
    if watch is not None and isinstance(outcome.followed, Study):
        return tuple(inventory(watched(outcome.followed, watch), paths))
    known = all(map(project.is_file, paths))
    around = None
    if known:
        around = options.surroundings(paths)
    return tuple(
        inventory(follow(outcome.sources, around=around, models=options.known_calls()), paths)
    )


def _exit_code(outcome: Outcome, options: Options, output: Output) -> int:
    """Return 2 for any problem, else 1 for what is found, left or (where asked) repaired."""
    if outcome.problems:
        return 2
    if output.exit_non_zero_on_fix and options.fix and outcome.patches:
        return 1
    if output.exit_zero or output.fail_on == "never":
        return 0
    found = [e.finding for e in outcome.entries if e.tag != CONTRADICTS]
    if not options.writes:
        found += [repair.finding for repair in outcome.repaired]
    if output.strict and outcome.gone and not options.fix:
        return 1
    least = CONFIDENCES.index(output.fail_on)
    return int(any(CONFIDENCES.index(finding.confidence) >= least for finding in found))
