"""The command line: options in, text and an exit code out. Only here is click known."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence

import click

from fixgrad.cli import check
from fixgrad.cli.streams import note
from fixgrad.errors import FixgradError

INTERRUPTED = 130  # as a shell says it: 128 + SIGINT

VERBS = ("rule", "why", "graph", "trace", "verify", "lsp")
_COMPLETION = "_FIXGRAD_COMPLETE"  # set by a shell whose user has pressed the tab key


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a first argument that is no verb is a path."""
    if _COMPLETION in os.environ:
        from fixgrad.cli import completion  # noqa: PLC0415  (for shells alone)

        verbs = {name: _verb(name) for name in VERBS}
        return completion.answer(check.command, verbs, _COMPLETION)
    command: click.Command = check.command
    prefix = "fixgrad"
    if arguments and arguments[0] in VERBS:
        command, prefix = _verb(arguments[0]), f"fixgrad {arguments[0]}"
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


def _verb(name: str) -> click.Command:
    """Return the command of a verb; the others are not loaded."""
    command: click.Command = importlib.import_module(f"fixgrad.cli.{name}").command
    return command


def _keep_bug(error: Exception) -> None:
    import traceback  # noqa: PLC0415  (there should be none)

    from fixgrad.cli.bugs import keep  # noqa: PLC0415
    from fixgrad.patching import bug  # noqa: PLC0415

    details = "".join(traceback.format_exception(error))
    keep([bug("fixgrad", f"reporting failed ({type(error).__name__}: {error})", details)], [])
