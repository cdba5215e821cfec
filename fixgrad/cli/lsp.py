"""`fixgrad lsp`: the language server, over standard input and output."""

from __future__ import annotations

import click

from fixgrad.errors import FixgradError

_EPILOG = """\b
An editor starts it; by hand there is nothing to see. It needs the extra `lsp`:
  pip install 'fixgrad[lsp]'"""


@click.command("lsp", epilog=_EPILOG)
@click.option("--stdio", is_flag=True, hidden=True, help="What editors say; there is no other way.")
@click.option(
    "--rest",
    type=click.FloatRange(min=0),
    default=0.3,
    show_default=True,
    metavar="SECONDS",
    help="How long a text is left alone before it is looked at.",
)
@click.help_option("-h", "--help")
def command(stdio: bool, rest: float) -> int:
    """Serve an editor: findings as one types, their paths, quick fixes, all repairs at once."""
    try:
        from fixgrad.lsp.server import build  # noqa: PLC0415  (the extra may not be installed)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise FixgradError("the language server needs pygls; pip install 'fixgrad[lsp]'") from error
    build(rest).start_io()
    return 0
