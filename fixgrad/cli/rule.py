"""`fixgrad rule`: what a code means, from the rule's own documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fixgrad.cli.completion import codes as codes_known
from fixgrad.cli.streams import emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fixgrad.catalogue import Rule

_EPILOG = """\b
Examples:
  fixgrad rule FG102
  fixgrad rule --output-format json"""


@click.command("rule", epilog=_EPILOG)
@click.argument("codes", nargs=-1, metavar="[CODE]...", shell_complete=codes_known)
@click.option(
    "--output-format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    metavar="FORMAT",
    help="text or json.",
)
@click.help_option("-h", "--help")
def command(codes: tuple[str, ...], form: str) -> int:
    """Explain a rule by its code or name; without one, list them all."""
    from fixgrad import catalogue  # noqa: PLC0415  (it looks for the rules: not for --help)

    every = (*catalogue.rules(), *catalogue.refusals())
    chosen = [catalogue.rule(code) for code in codes] or every
    if form == "json":
        emit(_records(chosen))
    elif codes:
        emit(explained(codes))
    else:
        emit("".join(f"{rule.code}  {rule.name}\n" for rule in every))
    return 0


def explained(codes: Sequence[str]) -> str:
    """Return the documentation of rules, by their codes or names."""
    from fixgrad import catalogue  # noqa: PLC0415

    return "\n".join(_explained(catalogue.rule(code)) for code in codes)


def _explained(rule: Rule) -> str:
    return f"{rule.code} ({rule.name})\n\n{rule.text}".rstrip() + "\n"


def _records(rules: Sequence[Rule]) -> str:
    import json  # noqa: PLC0415  (6 ms, and only for this)

    rows = [
        {
            "code": rule.code,
            "name": rule.name,
            "kind": "refusal" if rule.is_refusal else "rule",
            "summary": rule.summary,
            "sections": rule.sections,
        }
        for rule in rules
    ]
    return json.dumps(rows, indent=2) + "\n"
