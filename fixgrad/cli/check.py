"""`fixgrad [PATHS]...`: report, preview or repair, and the exit codes that scripts rely on."""

from __future__ import annotations

import click

from fixgrad import __version__
from fixgrad.cli.streams import colour_wanted, width_known
from fixgrad.report import FORMATS

_EXAMPLES = """\b
Examples:
  fixgrad train.py                report what needs a gradient and gets none
  fixgrad --diff src              preview the repairs as a patch
  fixgrad --fix --unsafe-fixes .  write every repair there is

\b
`fixgrad rule FG102` explains a code, `fixgrad why train.py:12` what became of
the conversion there, `fixgrad graph train.py` draws how tensors flow.
Exit code: 0 nothing found or all repaired, 1 findings remain, 2 a problem
with a file or an option."""


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
    from fixgrad.cli.answer import Output, answer  # noqa: PLC0415  (--help needs no analysis)
    from fixgrad.pipeline import Options  # noqa: PLC0415

    options = Options(paths, fix, diff, unsafe_fixes, select, ignore, exclude, verbose)
    output = Output(
        form, colour_wanted(color), width_known(), quiet, verbose, exit_zero, exit_non_zero_on_fix
    )
    return answer(options, output, stdin_filename)
