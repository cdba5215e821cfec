"""Options in sections: `--help` lists those that most people need, `--help-all` every one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fixgrad.cli.completion import codes
from fixgrad.settings.table import (
    FILES,
    REPAIRS,
    REPORT,
    RULES,
    SETTINGS,
    SPEED,
    WITHOUT_OPTION,
    Setting,
    Value,
)

if TYPE_CHECKING:
    from fixgrad.options import Options

WORK, PROGRAM = "What to do", "This program"
_SECTIONS = (WORK, RULES, FILES, REPAIRS, REPORT, SPEED, PROGRAM)
_WITH_OPTION = tuple(s for s in SETTINGS if s.kind not in WITHOUT_OPTION)
_EVERY = "fixgrad.every-option"

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class Listed(click.Option):
    """An option that knows its section, and whether it is among the common ones."""

    def __init__(
        self, *arguments: Any, section: str = PROGRAM, common: bool = False, **more: Any
    ) -> None:
        super().__init__(*arguments, **more)
        self.section = section
        self.common = common

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None:
            return None
        name, text = record
        if self.secondary_opts:
            name = f"--[no-]{self.opts[0].removeprefix('--')}"
        if isinstance(self.type, click.Choice) and (ctx.meta.get(_EVERY) or not self.common):
            *most, last = self.type.choices
            text = f"{text.rstrip('.')}: {', '.join(most)} or {last}."
        return name, text


class Sectioned(click.Command):
    """A command whose help is short, or whole and in sections."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let `--add-ignore` do without its value: what follows it is a path."""
        bare = [f"{word}=" if word == "--add-ignore" else word for word in args]
        return super().parse_args(ctx, bare)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = [
            (getattr(option, "section", PROGRAM), getattr(option, "common", True), record)
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and (record := option.get_help_record(ctx))
        ]
        if not ctx.meta.get(_EVERY):
            with formatter.section("Options"):
                formatter.write_dl([record for _, common, record in listed if common])
            return
        width = max(len(record[0]) for _, _, record in listed)
        for section in _SECTIONS:
            rows = [(name.ljust(width), text) for at, _, (name, text) in listed if at == section]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


def option(*names: str, **more: Any) -> Callable[[_Decorated], _Decorated]:
    """Declare an option with a section."""
    return click.option(*names, cls=Listed, **more)


def flag(*names: str, **more: Any) -> Callable[[_Decorated], _Decorated]:
    """Declare an option that takes no value."""
    return option(*names, is_flag=True, **more)


def help_all(command: _Decorated) -> _Decorated:
    """Declare `--help-all`."""

    def show(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
        if wanted:
            ctx.meta[_EVERY] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return flag(
        "--help-all",
        is_eager=True,
        expose_value=False,
        callback=show,
        section=PROGRAM,
        common=True,
        help="Show every option, by what it is for.",
    )(command)


def settings(command: _Decorated) -> _Decorated:
    """Declare an option for each setting; what is not given is None."""
    for setting in reversed(_WITH_OPTION):
        command = _option_of(setting)(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Value | None]:
    """Return what the options of the settings say, by the names of the settings."""
    found: dict[str, Value | None] = {}
    for setting in _WITH_OPTION:
        value = options[_parameter(setting)]
        if setting.kind in ("codes", "globs", "folders"):
            value = _split(value, setting.kind == "codes") or None
        elif setting.kind == "codes-by-glob":
            value = _by_glob(value) or None
        found[setting.name] = value
    return found


def looking(command: _Decorated) -> _Decorated:
    """Declare the options that say what a command sees around a file; they come as keywords."""
    for decorate in (
        click.option("--isolated", is_flag=True, help="Read no settings file."),
        click.option("--config", metavar="FILE", help="Take the settings from this file."),
        click.option(
            "--exclude", multiple=True, metavar="GLOB", help="Leave out files or folders."
        ),
    ):
        command = decorate(command)
    return command


def options_around(path: str, paths: Sequence[str], looked: Mapping[str, Any]) -> Options:
    """Return what a command takes of the files around one, by `looking` or by the settings."""
    from fixgrad.settings.resolve import options_of, resolve  # noqa: PLC0415  (not for --help)

    given = {"exclude": looked["exclude"] or None}
    resolved = resolve(
        paths or (path,), given, config=looked["config"], isolated=looked["isolated"]
    )
    return options_of(resolved)


def reason(given: str | None) -> str | None:
    """Return the reason that the comments of `--add-ignore` state."""
    if given is not None and not re.fullmatch(r"[^#\x00-\x1f\x7f]*", given):
        raise click.UsageError("--add-ignore: a reason is one line without #")
    return given if given is None else given.strip()


def _parameter(setting: Setting) -> str:
    return setting.name.replace("-", "_")


def _option_of(setting: Setting) -> Callable[[_Decorated], _Decorated]:
    name = f"--{setting.name}"
    more: dict[str, Any] = {
        "section": setting.section,
        "common": setting.common,
        "metavar": setting.metavar or None,
        "default": None,
        "help": setting.text,
    }
    if setting.kind == "flag":
        return option(f"{name}/--no-{setting.name}", _parameter(setting), **more)
    if setting.kind == "choice":
        return option(name, _parameter(setting), type=click.Choice(setting.choices), **more)
    if setting.kind == "number":
        short = (f"-{setting.name[0]}", name)
        return option(*short, _parameter(setting), type=click.IntRange(0), **more)
    if setting.kind == "codes":
        more["shell_complete"] = codes
    return option(name, _parameter(setting), multiple=setting.kind != "file", **more)


def _split(given: tuple[str, ...], at_commas: bool) -> tuple[str, ...]:
    if not at_commas:
        return given
    return tuple(code.strip() for codes in given for code in codes.split(",") if code.strip())


def _by_glob(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        glob, colon, codes = text.rpartition(":")
        if not (colon and glob and codes.strip()):
            raise click.UsageError(f"--per-file-ignores {text!r}: write GLOB:CODES, tests/*:FG102")
        found[glob] = (*found.get(glob, ()), *_split((codes,), at_commas=True))
    return found
