"""`fixgrad why FILE:LINE`: what became of the conversion there; `--traceback`: which one is to blame."""

from __future__ import annotations

from typing import Any

import click

from fixgrad.cli.listing import looking, options_around
from fixgrad.cli.streams import colour_wanted, emit, note, width_known

_EPILOG = """\b
Examples:
  fixgrad why train.py:12          the conversion on line 12
  fixgrad why src/data.py:30 .     with all the files of this folder in view
  fixgrad why --traceback error.txt
  python train.py 2>&1 | fixgrad why --traceback -

\b
Without PATHS the current folder is looked at, as `fixgrad` does.
Exit code: 0 an answer is given, 2 a problem with a file or an option."""


@click.command("why", epilog=_EPILOG)
@click.argument("place", metavar="FILE:LINE[:COLUMN]", required=False)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@looking
@click.option(
    "--traceback",
    "pasted",
    metavar="FILE",
    help="Ask about the error in this file, or - for standard input, in place of a line.",
)
@click.option(
    "--output-format",
    "form",
    type=click.Choice(("full", "json")),
    default="full",
    metavar="FORMAT",
    help="full or json.",
)
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    metavar="WHEN",
    help="auto, always or never.",
)
@click.help_option("-h", "--help")
def command(
    place: str | None,
    paths: tuple[str, ...],
    pasted: str | None,
    form: str,
    color: str,
    **looked: Any,
) -> int:
    """Say why a conversion is repaired, refused, tracked or left alone, with its path."""
    if pasted is not None:
        from fixgrad.cli.blame import blame  # noqa: PLC0415  (not for --help)

        return blame(pasted, (place, *paths) if place else paths, form, color, looked)
    if place is None:
        raise click.UsageError("give a place as FILE:LINE, or --traceback FILE")
    from fixgrad.explain import question, records, text  # noqa: PLC0415  (not for --help)
    from fixgrad.explain.place import explain  # noqa: PLC0415
    from fixgrad.explain.run import follow  # noqa: PLC0415

    asked = question.place_of(place)
    options = options_around(asked.path, paths, looked)
    files = question.read(asked.path, paths, options.exclude, options.words())
    line = question.line_of(files, asked)
    for problem in files.problems:
        note(str(problem))
    run = follow(files.sources, models=options.known_calls(), roots=options.roots)
    for problem in run.analysis.problems:
        note(str(problem))
    if any(problem.path == files.path for problem in run.analysis.problems):
        return 2
    found = explain(run, files.path, line, asked.column)
    if form == "json":
        emit(records.render(found))
        return 0
    diffs = [question.diff_of(answer, run.sources) for answer in found]
    emit(text.render(found, run.sources, diffs, colour=colour_wanted(color), width=width_known()))
    return 0
