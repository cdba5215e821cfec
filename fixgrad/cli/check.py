"""`fixgrad [PATHS]...`: report, preview or repair, and the exit codes that scripts rely on."""

from __future__ import annotations

from typing import Any

import click

from fixgrad import __version__
from fixgrad.cli.listing import (
    PROGRAM,
    WORK,
    Sectioned,
    flag,
    given,
    help_all,
    option,
    reason,
    settings,
)
from fixgrad.cli.streams import colour_wanted, emit, width_known
from fixgrad.report import COUNTED, PATCH
from fixgrad.settings.table import FILES, REPORT

_EXAMPLES = """\b
Examples:
  fixgrad train.py                report what needs a gradient and gets none
  fixgrad --diff src              preview the repairs as a patch
  fixgrad --fix --unsafe-fixes .  write every repair there is

\b
`fixgrad rule FG102` explains a code, `fixgrad why train.py:12` what became of
the conversion there, `fixgrad graph train.py` draws how tensors flow, and
`fixgrad verify -- python train.py` proves repairs by running the program.
Exit code: 0 nothing found or all repaired, 1 findings remain, 2 a problem
with a file or an option."""


@click.command(cls=Sectioned, epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@flag("--diff", section=WORK, common=True, help="Preview the repairs as a patch.")
@flag("--fix", section=WORK, common=True, help="Write the repairs (with --diff: show them too).")
@option(
    "--add-ignore",
    metavar="[=REASON]",
    section=WORK,
    help="Write a comment that hides each finding.",
)
@flag("--show-settings", section=WORK, help="Show which settings hold, and who says so.")
@flag("--show-files", section=WORK, help="List the files that are looked at.")
@settings
@option(
    "--stdin-filename", metavar="NAME", section=FILES, help="The name of what the path - reads."
)
@option(
    *("-o", "--output-file"), metavar="FILE", section=REPORT, help="Write the report to a file."
)
@flag("--statistics", section=REPORT, help="Count the findings of each rule.")
@flag("--exit-zero", section=REPORT, common=True, help="Exit 0 though there are findings.")
@flag("--exit-non-zero-on-fix", section=REPORT, help="Exit 1 if files were repaired.")
@flag("-q", "--quiet", section=REPORT, common=True, help="No summary and no notes.")
@flag("-v", "--verbose", section=REPORT, common=True, help="Say more about the run.")
@option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    metavar="WHEN",
    section=REPORT,
    help="Whether to colour.",
)
@option(
    "--config",
    metavar="FILE",
    section=PROGRAM,
    common=True,
    help="Take the settings from this file.",
)
@flag("--isolated", section=PROGRAM, help="Read no settings file.")
@click.version_option(__version__, "-V", "--version", message="fixgrad %(version)s")
@click.help_option("-h", "--help")
@help_all
def command(
    paths: tuple[str, ...],
    diff: bool,
    fix: bool,
    add_ignore: str | None,
    show_settings: bool,
    show_files: bool,
    stdin_filename: str | None,
    output_file: str | None,
    statistics: bool,
    exit_zero: bool,
    exit_non_zero_on_fix: bool,
    quiet: bool,
    verbose: bool,
    color: str,
    config: str | None,
    isolated: bool,
    **others: Any,
) -> int:
    """Find NumPy-born PyTorch tensors that need a gradient but get none, and repair them."""
    from fixgrad.cli.answer import Output, answer, list_files  # noqa: PLC0415  (not for --help)
    from fixgrad.settings.resolve import options_of, resolve  # noqa: PLC0415
    from fixgrad.settings.show import shown  # noqa: PLC0415

    around = (stdin_filename,) if stdin_filename else paths
    resolved = resolve(around, given(others), config=config, isolated=isolated)
    form = resolved.word("output-format")
    diff = diff or form == PATCH
    if statistics and form not in COUNTED:
        raise click.UsageError(f"--statistics goes with {', '.join(COUNTED)}, not with {form}")
    options = options_of(
        resolved, paths, fix=fix, diff=diff, mark=reason(add_ignore, fix), traceback=verbose
    )
    if show_settings:
        emit(shown(resolved))
        return 0
    if show_files:
        return list_files(options)
    output = Output(
        form,
        colour_wanted(color, output_file),
        width_known(output_file),
        quiet,
        verbose,
        exit_zero,
        exit_non_zero_on_fix,
        resolved.word("fail-on"),
        output_file,
        statistics,
    )
    return answer(options, output, stdin_filename)
