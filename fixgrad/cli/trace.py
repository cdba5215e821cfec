"""`fixgrad trace -- COMMAND...`: run the program as it is, and keep what it shows of its gradients."""

from __future__ import annotations

import os

import click

from fixgrad.cli.command_line import WithCommand
from fixgrad.cli.streams import emit, note

_EPILOG = """\b
Examples:
  fixgrad trace -- python train.py
  fixgrad trace -- pytest tests
  fixgrad trace --report

\b
The evidence of several runs adds up in one file of JSON lines; files may be
put together with cat. Exit code: that of the program; with --report 1 where a
gradient is missing, else 0."""


@click.command("trace", cls=WithCommand, epilog=_EPILOG)
@click.option(
    "--evidence", "path", metavar="FILE", help="Where it is kept (fixgrad-evidence.jsonl)."
)
@click.option("--report", is_flag=True, help="Show what is known of each conversion.")
@click.help_option("-h", "--help")
def command(path: str | None, report: bool, words: tuple[str, ...]) -> int:
    """Run a program once as it is, and record where gradients are asked for and arrive."""
    from fixgrad.evidence import store  # noqa: PLC0415  (not for --help)
    from fixgrad.proof.trace import rows, table, trace  # noqa: PLC0415

    path = path or store.NAME
    code = 0
    if words:
        traced = trace(words, os.getcwd(), path)
        code = traced.code
        for text in traced.notes:
            note(f"note: {text}")
        note(f"fixgrad: {traced.lines} lines of evidence added to {path}")
    elif not report:
        raise click.UsageError("give the command that runs the program after --, or --report")
    if report:
        seen = store.read([path])
        emit(table(seen))
        missing = sum(row.word == "missing" for row in rows(seen))
        note(f"{missing} of {len(rows(seen))} conversions lack a gradient that is asked for")
        code = code or int(missing > 0)
    return code
