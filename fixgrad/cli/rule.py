"""`fixgrad rule`: what a code means, from the rule's own documentation."""

from __future__ import annotations

import click

from fixgrad.cli.completion import codes as codes_known
from fixgrad.cli.streams import emit


@click.command("rule")
@click.argument("codes", nargs=-1, metavar="[CODE]...", shell_complete=codes_known)
@click.help_option("-h", "--help")
def command(codes: tuple[str, ...]) -> int:
    """Explain a rule by its code or name; without one, list them all."""
    from fixgrad import catalogue  # noqa: PLC0415  (it looks for the rules: not for --help)

    if codes:
        emit("\n".join(map(_explained, codes)))
    else:
        known = (*catalogue.rules(), *catalogue.refusals())
        emit("".join(f"{rule.code}  {rule.name}\n" for rule in known))
    return 0


def _explained(code: str) -> str:
    from fixgrad import catalogue  # noqa: PLC0415

    found = catalogue.rule(code)
    return f"{found.code} ({found.name})\n\n{found.text}".rstrip() + "\n"
