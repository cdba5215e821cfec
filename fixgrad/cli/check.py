"""`fixgrad [PATHS]...`: report, preview or repair, and the exit codes that scripts rely on."""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

import click

from fixgrad import __version__, pipeline
from fixgrad.cli.streams import colour_wanted, emit, note
from fixgrad.pipeline import Options, Outcome
from fixgrad.project import patch_paths
from fixgrad.report import FORMATS, render, summary
from fixgrad.report.colour import paint_diff
from fixgrad.report.summary import count
from fixgrad.write import encoded

_STDIN = "-"

_EXAMPLES = """\b
Examples:
  fixgrad train.py                report what needs a gradient and gets none
  fixgrad --diff src              preview the repairs as a patch
  fixgrad --fix --unsafe-fixes .  write every repair there is

\b
`fixgrad rule FG102` explains a code. Exit code: 0 nothing found or all
repaired, 1 findings remain, 2 a problem with a file or an option."""


class Output(NamedTuple):
    """How to say what was found, and what the exit code makes of it."""

    form: str
    colour: bool
    quiet: bool
    verbose: bool
    exit_zero: bool
    exit_non_zero_on_fix: bool


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("--diff", is_flag=True, help="Preview the repairs as a patch.")
@click.option("--fix", is_flag=True, help="Write the repairs (with --diff: show them too).")
@click.option("--unsafe-fixes/--no-unsafe-fixes", help="Include repairs that are a judgement.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these rules: FG1,FG203.")
@click.option("--ignore", multiple=True, metavar="CODES", help="All rules but these.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files or folders.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what the path - reads.")
@click.option(
    "--output-format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    metavar="FORMAT",
    help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 though there are findings.")
@click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit 1 if files were repaired.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no notes.")
@click.option("-v", "--verbose", is_flag=True, help="Say more about the run.")
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    metavar="WHEN",
    help="auto, always or never.",
)
@click.version_option(__version__, "-V", "--version", message="fixgrad %(version)s")
@click.help_option("-h", "--help")
def command(
    paths: tuple[str, ...],
    diff: bool,
    fix: bool,
    unsafe_fixes: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: tuple[str, ...],
    stdin_filename: str | None,
    form: str,
    exit_zero: bool,
    exit_non_zero_on_fix: bool,
    quiet: bool,
    verbose: bool,
    color: str,
) -> int:
    """Find NumPy-born PyTorch tensors that need a gradient but get none, and repair them."""
    options = Options(paths, fix, diff, unsafe_fixes, select, ignore, exclude, verbose)
    output = Output(form, colour_wanted(color), quiet, verbose, exit_zero, exit_non_zero_on_fix)
    started = time.perf_counter()
    if _STDIN in paths or (stdin_filename and not paths):
        outcome = _from_stdin(stdin_filename or "<stdin>", options, output)
    elif stdin_filename:
        raise click.UsageError("--stdin-filename goes with the path -, not with files")
    else:
        outcome = pipeline.run(options)
        _show(outcome, options, output)
    if verbose:
        note(f"looked at {count(outcome.files, 'file')} in {time.perf_counter() - started:.2f} s")
    return _exit_code(outcome, options, output)


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
        repaired = encoded(source, patch.after)
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
        note(_report(outcome, output._replace(form="concise", colour=False)).rstrip("\n"))
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
    return render(output.form, outcome.entries, sources, colour=output.colour)


def _patch(outcome: Outcome) -> bytes:
    """Return the patches as one that `git apply` takes from the top of the repository."""
    from fixgrad.rewrite.diff import unified_bytes  # noqa: PLC0415  (it loads libcst)

    names = patch_paths(patch.path for _, patch in outcome.patches)
    renamed = [(names[patch.path], source, patch) for source, patch in outcome.patches]
    return b"".join(
        unified_bytes(patch._replace(path=name), source.encoding, source.bom)
        for name, source, patch in sorted(renamed)
    )


def _exit_code(outcome: Outcome, options: Options, output: Output) -> int:
    """Return 2 for any problem, else 1 for what is found, left or (where asked) repaired."""
    if outcome.problems:
        return 2
    if output.exit_non_zero_on_fix and options.fix and outcome.patches:
        return 1
    to_do = outcome.entries or (outcome.patches and not options.fix)
    return 1 if to_do and not output.exit_zero else 0
