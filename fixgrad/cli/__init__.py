"""The command line: options in, text and an exit code out. Only here is click known."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from fixgrad.cli import check, completion, graph, lsp, rule, trace, verify, why
from fixgrad.cli.streams import note
from fixgrad.errors import FixgradError

INTERRUPTED = 130  # as a shell says it: 128 + SIGINT

VERBS: dict[str, click.Command] = {
    "rule": rule.command,
    "why": why.command,
    "graph": graph.command,
    "trace": trace.command,
    "verify": verify.command,
    "lsp": lsp.command,
}


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a first argument that is no verb is a path."""
    if completion.VARIABLE in os.environ:
        return completion.answer(check.command, VERBS)
    command: click.Command = check.command
    prefix = "fixgrad"
    if arguments and arguments[0] in VERBS:
        command, prefix = VERBS[arguments[0]], f"fixgrad {arguments[0]}"
        arguments = arguments[1:]
    try:
        code = command.main(args=list(arguments), prog_name=prefix, standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        note("fixgrad: interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return FixgradError.exit_code
    except FixgradError as error:
        note(f"fixgrad: {error}")
        return error.exit_code
    except Exception as error:  # the pipeline catches its own; Python would exit 1, "findings"
        note(f"fixgrad: bug while reporting ({type(error).__name__}: {error}); please report it")
        _keep_bug(error)
        return FixgradError.exit_code
    return int(code or 0)


def _keep_bug(error: Exception) -> None:
    import traceback  # noqa: PLC0415  (there should be none)

    from fixgrad.cli.bugs import keep  # noqa: PLC0415
    from fixgrad.patching import bug  # noqa: PLC0415

    details = "".join(traceback.format_exception(error))
    keep([bug("fixgrad", f"reporting failed ({type(error).__name__}: {error})", details)], [])
