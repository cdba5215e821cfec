"""Commands that are given another command after `--`, and analyse a project before or after it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fixgrad.options import Options
    from fixgrad.settings.resolve import Settings

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_ANALYSED = (
    click.option(
        "--unsafe-fixes/--no-unsafe-fixes",
        default=None,
        help="Include repairs that are a judgement.",
    ),
    click.option("--select", multiple=True, metavar="CODES", help="Only these rules: FG1,FG203."),
    click.option("--ignore", multiple=True, metavar="CODES", help="All rules but these."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files or folders."),
    click.option("--config", metavar="FILE", help="Take the settings from this file."),
    click.option("--isolated", is_flag=True, help="Read no settings file."),
)


def analysed(command: _Decorated) -> _Decorated:
    """Declare the options that say what is analysed."""
    for option in reversed(_ANALYSED):
        command = option(command)
    return command


def planned(paths: tuple[str, ...], options: Mapping[str, Any]) -> Options:
    """Return the options of the analysis, with the settings file below them."""
    from fixgrad.settings.resolve import options_of  # noqa: PLC0415  (not for --help)

    return options_of(_resolved(paths, options), paths)


def said_in_settings(paths: tuple[str, ...], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words of the command that the settings say, none where they say nothing."""
    return _resolved(paths, options).words("verify-command")


def _resolved(paths: tuple[str, ...], options: Mapping[str, Any]) -> Settings:
    from fixgrad.settings.resolve import resolve  # noqa: PLC0415  (not for --help)

    given = {
        "unsafe-fixes": options["unsafe_fixes"],
        **{name: _codes(options[name]) or None for name in ("select", "ignore")},
        "exclude": options["exclude"] or None,
    }
    return resolve(paths, given, config=options["config"], isolated=options["isolated"])


class WithCommand(click.Command):
    """Takes what follows the first `--` as the parameter `words`, and leaves it alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at the dashes before options are looked for."""
        at = args.index("--") if "--" in args else len(args)
        ctx.obj = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say in the usage line that a command follows."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]

    def invoke(self, ctx: click.Context) -> Any:
        """Hand the words over."""
        ctx.params["words"] = ctx.obj
        return super().invoke(ctx)


def _codes(lists: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code.strip() for codes in lists for code in codes.split(",") if code.strip())
