"""What a shell is told when the user presses the tab key; click knows how to talk to the shells.

`_FIXGRAD_COMPLETE=bash_source fixgrad` prints what a shell is to load.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem, shell_complete


def answer(checking: click.Command, verbs: Mapping[str, click.Command], variable: str) -> int:
    """Answer the shell, which says in this variable of the environment what it wants."""
    options = [parameter for parameter in checking.params if isinstance(parameter, click.Option)]
    program = _Program("fixgrad", dict(verbs), params=options)
    return shell_complete(program, {}, "fixgrad", variable, os.environ[variable])


class _Program(click.Group):
    """The command line as a shell sees it: options, verbs, and paths where no verb stands."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            return [item for item in found if item.value.startswith("-")]
        begun = bool(ctx._protected_args or ctx.args)  # a path stands there: no verb can follow
        # Files come first: bash's script forgets what came before them.
        return [CompletionItem(incomplete, type="file"), *([] if begun else found)]


def codes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last of several codes, parted by commas."""
    from fixgrad import catalogue  # noqa: PLC0415  (it looks for the rules)

    before, comma, last = incomplete.rpartition(",")
    known = [*catalogue.rules(), *(catalogue.refusals() if parameter.name == "codes" else ())]
    return [
        CompletionItem(f"{before}{comma}{rule.code}", help=rule.name)
        for rule in known
        if rule.code.startswith(last.upper())
    ]
