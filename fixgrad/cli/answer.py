"""What the main command does once its options are read, and what it says where."""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

import click

from fixgrad import pipeline
from fixgrad.cli.streams import emit, note
from fixgrad.findings import CONFIDENCES
from fixgrad.pipeline import Options, Outcome
from fixgrad.project import patch_paths
from fixgrad.report import Report, render, summary
from fixgrad.report.colour import paint_diff
from fixgrad.report.summary import count
from fixgrad.write import encoded

_STDIN = "-"


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


def answer(options: Options, output: Output, stdin_filename: str | None) -> int:
    """Run the analysis, say what was found, and return the exit code."""
    started = time.perf_counter()
    if _STDIN in options.paths or (stdin_filename and not options.paths):
        outcome = _from_stdin(stdin_filename or "<stdin>", options, output)
    elif stdin_filename:
        raise click.UsageError("--stdin-filename goes with the path -, not with files")
    else:
        outcome = pipeline.run(options)
        _show(outcome, options, output)
    if output.verbose:
        note(f"looked at {count(outcome.files, 'file')} in {time.perf_counter() - started:.2f} s")
    return _exit_code(outcome, options, output)


def list_files(options: Options) -> int:
    """Print the files that a run would look at."""
    emit("".join(f"{path}\n" for path in pipeline.find_files(options)))
    return 0


def _from_stdin(name: str, options: Options, output: Output) -> Outcome:
    """Be a filter: with --fix the repaired text goes to standard output, whatever was found."""
    if options.paths not in ((_STDIN,), ()):
        raise click.UsageError("the path - stands for standard input and goes with no other path")
    data = sys.stdin.buffer.read() if sys.stdin else b""
    outcome = pipeline.run_on_text(name, data, options)
    if not options.fix or options.diff:
        _show(outcome, options, output)
        return outcome
    repaired = data
    for source, patch in outcome.patches:
        repaired = encoded(source, patch)
    emit(repaired)
    _show_rest(outcome, options, output)
    return outcome


def _show(outcome: Outcome, options: Options, output: Output) -> None:
    if options.diff:
        patch = _patch(outcome)
        emit(paint_diff(patch) if output.colour else patch)
    else:
        emit(_report(outcome, output))
    _show_rest(outcome, options, output, listed=not options.diff)


def _show_rest(outcome: Outcome, options: Options, output: Output, *, listed: bool = False) -> None:
    """Write to standard error what standard output has no place for."""
    for problem in outcome.problems:
        note(str(problem))
    if output.quiet:
        return
    if outcome.entries and not listed:
        plain = output._replace(form="concise", colour=False)
        note(_report(outcome, plain).rstrip("\n"))
    if outcome.files == 0 and not outcome.problems:
        note("no Python files found")
        return
    if outcome.repaired:
        done = "repaired" if options.fix else "would repair"
        findings = count(len(outcome.repaired), "finding")
        note(f"{done} {findings} in {count(len(outcome.patches), 'file')}")
    if outcome.entries or not (outcome.repaired or outcome.problems):
        note(summary(outcome.entries, files=outcome.files))


def _report(outcome: Outcome, output: Output) -> str:
    sources = {source.path: source for source in outcome.sources}
    report = Report(
        outcome.entries, sources, outcome.problems, outcome.files, output.colour, output.width
    )
    return render(output.form, report)


def _patch(outcome: Outcome) -> bytes:
    """Return the patches as one that `git apply` takes from the top of the repository."""
    from fixgrad.rewrite.diff import unified_bytes  # noqa: PLC0415  (it loads libcst)
    from fixgrad.rewrite.notebooks import file_patch, sections  # noqa: PLC0415

    names = patch_paths(patch.path for _, patch in outcome.patches)
    renamed = [(names[patch.path], source, patch) for source, patch in outcome.patches]
    return b"".join(
        unified_bytes(
            file_patch(source, patch)._replace(path=name),
            source.encoding,
            source.bom,
            sections(source),
        )
        for name, source, patch in sorted(renamed)
    )


def _exit_code(outcome: Outcome, options: Options, output: Output) -> int:
    """Return 2 for any problem, else 1 for what is found, left or (where asked) repaired."""
    if outcome.problems:
        return 2
    if output.exit_non_zero_on_fix and options.fix and outcome.patches:
        return 1
    if output.exit_zero or output.fail_on == "never":
        return 0
    found = [entry.finding for entry in outcome.entries]
    if not options.fix:
        found += [repair.finding for repair in outcome.repaired]
    least = CONFIDENCES.index(output.fail_on)
    return int(any(CONFIDENCES.index(finding.confidence) >= least for finding in found))
