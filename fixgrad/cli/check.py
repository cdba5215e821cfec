"""`fixgrad [PATHS]...`: report, preview or repair, and the exit codes that scripts rely on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

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
from fixgrad.settings.table import FILES, REPORT, RULES, SPEED

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from fixgrad.cli.answer import Output
    from fixgrad.options import Options
    from fixgrad.settings.resolve import Settings

_EXAMPLES = """\b
Examples:
  fixgrad train.py                report what needs a gradient and gets none
  fixgrad --diff src              preview the repairs as a patch
  fixgrad --fix --unsafe-fixes .  write every repair there is

`fixgrad rule FG102` explains a code, `fixgrad why train.py:12` what became of
the conversion there, `fixgrad graph train.py` draws how tensors flow, and
`fixgrad verify -- python train.py` proves repairs by running the program;
`fixgrad trace` records what its gradients do.

Exit code: 0 nothing found or all repaired, 1 findings remain, 2 a problem
with a file or an option."""


@click.command(cls=Sectioned, epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@flag("--check", section=WORK, help="Report and write nothing, as without any option.")
@flag("--diff", section=WORK, common=True, help="Preview the repairs as a patch.")
@flag("--fix", section=WORK, common=True, help="Write the repairs (with --diff: show them too).")
@flag(*("-i", "--interactive"), section=WORK, common=True, help="Decide on each repair by itself.")
@option(
    "--patch", metavar="FILE", section=WORK, help="Write the repairs to a file, as a patch, too."
)
@option(
    "--decisions",
    metavar="FILE",
    section=WORK,
    help="Keep what -i decides; take it from there.",
)
@option(
    "--add-ignore",
    metavar="[=REASON]",
    section=WORK,
    help="Write a comment that hides each finding.",
)
@flag("--write-baseline", section=WORK, help="Record what is found in the baseline.")
@option("--explain", metavar="CODE", section=WORK, help="Explain a rule, as `fixgrad rule` does.")
@flag("--show-settings", section=WORK, help="Show which settings hold, and who says so.")
@flag("--show-files", section=WORK, help="List the files that are looked at.")
@option(
    "--since",
    metavar="REV",
    section=RULES,
    common=True,
    help="Only lines that changed since a git revision.",
)
@settings
@option(
    "--stdin-filename", metavar="NAME", section=FILES, help="The name of what the path - reads."
)
@option(
    *("-o", "--output-file"), metavar="FILE", section=REPORT, help="Write the report to a file."
)
@option(
    "--report",
    metavar="FILE.html",
    section=REPORT,
    common=True,
    help="Write a page to review the repairs on.",
)
@flag("--trace", section=REPORT, help="Show the path of each finding in the concise report.")
@flag("--show-fixes", section=REPORT, help="List each finding that --fix has repaired.")
@flag("--statistics", section=REPORT, help="Count the findings of each rule.")
@flag("--exit-zero", section=REPORT, common=True, help="Exit 0 though there are findings.")
@flag("--exit-non-zero-on-fix", section=REPORT, help="Exit 1 if files were repaired.")
@flag("-q", "--quiet", section=REPORT, common=True, help="No summary and no notes.")
@flag("-v", "--verbose", section=REPORT, common=True, help="Say more about the run.")
@flag("--no-cache", section=SPEED, help="Keep nothing of this run, take nothing of former ones.")
@option(
    "--cache-dir",
    metavar="FOLDER",
    section=SPEED,
    help="Keep it here, not in the user's cache folder.",
)
@option(
    "--executor",
    metavar="ADDRESS",
    section=SPEED,
    help="Let a cluster read the files: dask://HOST:PORT.",
)
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
def command(paths: tuple[str, ...], **words: Any) -> int:
    """Find NumPy-born PyTorch tensors that need a gradient but get none, and repair them."""
    from fixgrad.cli.answer import answer, list_files  # noqa: PLC0415  (--help needs no analysis)
    from fixgrad.settings.resolve import resolve  # noqa: PLC0415
    from fixgrad.settings.show import shown  # noqa: PLC0415

    if words["explain"]:
        from fixgrad.cli.rule import explained  # noqa: PLC0415

        emit(explained((words["explain"],)))
        return 0
    name = words["stdin_filename"]
    around = (name,) if name else paths
    resolved = resolve(around, given(words), config=words["config"], isolated=words["isolated"])
    options = _options(resolved, paths, words)
    if words["show_settings"]:
        emit(shown(resolved))
        return 0
    if words["show_files"]:
        return list_files(options)
    with _executor(words["executor"]) as executor:
        options = options._replace(executor=executor)
        if words["interactive"] or words["decisions"]:
            return _review(options, _output(resolved, words), words, name)
        return answer(options, _output(resolved, words), name)


def _executor(address: str | None) -> AbstractContextManager[Executor | None]:
    if address is None:
        return nullcontext()
    from fixgrad.executors import executor_at  # noqa: PLC0415

    return executor_at(address)


def _review(options: Options, output: Output, words: dict[str, Any], name: str | None) -> int:
    from fixgrad.cli.interactive import review  # noqa: PLC0415

    ask = words["interactive"]
    if name or "-" in options.paths:
        raise click.UsageError("-i and --decisions go with files, not with the path -")
    if options.write_baseline or options.mark is not None or (ask and options.diff):
        raise click.UsageError("-i asks about repairs and writes them: it goes with no other work")
    if not ask and not (options.fix or options.diff):
        raise click.UsageError("--decisions goes with -i, --fix or --diff")
    return review(options, output, words["decisions"], ask=ask)


def _options(resolved: Settings, paths: tuple[str, ...], words: dict[str, Any]) -> Options:
    from fixgrad.settings.resolve import options_of  # noqa: PLC0415

    form = resolved.word("output-format")
    if words["statistics"] and form not in COUNTED:
        raise click.UsageError(f"--statistics goes with {', '.join(COUNTED)}, not with {form}")
    if words["report"] and (words["fix"] or words["diff"] or form == PATCH):
        raise click.UsageError(
            "--report shows what could be repaired: it goes without --fix, --diff"
        )
    if words["check"] and (words["fix"] or words["diff"] or words["interactive"]):
        raise click.UsageError("--check only reports: it goes without --fix, --diff and -i")
    options = options_of(resolved, paths)._replace(
        fix=words["fix"],
        diff=words["diff"] or form == PATCH,
        traceback=words["verbose"],
        mark=reason(words["add_ignore"]),
        write_baseline=words["write_baseline"],
        since=words["since"],
        jobs=resolved.number("jobs"),
        cache=None if words["no_cache"] else _cache(words["cache_dir"]),
    )
    if options.mark is not None and options.fix:
        raise click.UsageError("--add-ignore hides what is left: repair with --fix first")
    if options.write_baseline:
        if options.fix or options.diff or options.since or options.mark is not None:
            raise click.UsageError("--write-baseline only records what is found: it goes alone")
        if options.baseline is None:
            raise click.UsageError("--write-baseline needs --baseline FILE")
    return options


def _cache(named: str | None) -> str | None:
    """Return the folder of the cache; complain of one that somebody names and that cannot be one."""
    from fixgrad.cache.folder import CacheError, default_folder, prepared  # noqa: PLC0415

    if named is None:
        return default_folder()
    try:
        return prepared(named)
    except CacheError as error:
        raise click.UsageError(f"--cache-dir: {error}") from error


def _output(resolved: Settings, words: dict[str, Any]) -> Output:
    from fixgrad.cli.answer import Output  # noqa: PLC0415

    return Output(
        form=resolved.word("output-format"),
        colour=colour_wanted(words["color"], words["output_file"]),
        width=width_known(words["output_file"]),
        quiet=words["quiet"],
        verbose=words["verbose"],
        exit_zero=words["exit_zero"],
        exit_non_zero_on_fix=words["exit_non_zero_on_fix"],
        fail_on=resolved.word("fail-on"),
        strict=resolved.flag("baseline-strict"),
        file=words["output_file"],
        statistics=words["statistics"],
        page=words["report"],
        baseline=bool(resolved.word("baseline")) and not words["write_baseline"],
        paths=words["trace"],
        patch=words["patch"],
        show_fixes=words["show_fixes"],
    )
