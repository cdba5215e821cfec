"""`fixgrad graph FILE[:FUNCTION]`: how the tensors there come of each other."""

from __future__ import annotations

import os
from typing import Any

import click

from fixgrad.cli.listing import looking, options_around
from fixgrad.cli.streams import colour_wanted, emit, note

_FORMS = ("text", "dot", "mermaid")
_EPILOG = """\b
Examples:
  fixgrad graph train.py
  fixgrad graph train.py:fit --output-format dot | dot -Tsvg > fit.svg

\b
carries: the gradient flows; cut: it does not; alias: the same tensor;
assumed: code that is not known stands between."""


@click.command("graph", epilog=_EPILOG)
@click.argument("what", metavar="FILE[:FUNCTION]")
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@looking
@click.option(
    "--output-format",
    "form",
    type=click.Choice(_FORMS),
    default=_FORMS[0],
    metavar="FORMAT",
    help="text, dot or mermaid.",
)
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    metavar="WHEN",
    help="auto, always or never.",
)
@click.help_option("-h", "--help")
def command(what: str, paths: tuple[str, ...], form: str, color: str, **looked: Any) -> int:
    """Print the flow graph of a file or a function, with its demands and its cuts."""
    from fixgrad.explain import drawing, question  # noqa: PLC0415  (not for --help)
    from fixgrad.explain.chart import chart  # noqa: PLC0415
    from fixgrad.explain.run import follow  # noqa: PLC0415

    path, function = what, ""
    if not os.path.exists(what) and ":" in what:
        path, _, function = what.rpartition(":")
    options = options_around(path, paths, looked)
    files = question.read(path, paths, options.exclude, options.words())
    run = follow(files.sources, models=options.known_calls(), roots=options.roots)
    for problem in (*files.problems, *run.analysis.problems):
        note(str(problem))
    if any(problem.path == files.path for problem in run.analysis.problems):
        return 2
    emit(drawing.draw(chart(run, files.path, function), form, colour=colour_wanted(color)))
    return 0
