"""Writes the pages under docs/ that are made of the program itself: `python -m tests.documentation`.

Rules say what they are in their docstrings, settings in their table, commands in their help. A page that is made of
these begins with a line that says so; the others are written by hand.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path

from fixgrad import catalogue, cli, pipeline
from fixgrad.catalogue import Rule
from fixgrad.options import Options
from fixgrad.report.patch import render
from fixgrad.settings.show import toml
from fixgrad.settings.table import (
    FILES,
    REPAIRS,
    REPORT,
    RULES,
    SETTINGS,
    SPEED,
    WITHOUT_OPTION,
    Setting,
)

DOCS = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made by `python -m tests.documentation`; change what it is made of instead. -->\n\n"
_KINDS = {
    "number": "a whole number, 0 or more",
    "flag": "true or false",
    "codes": "a list of rules",
    "codes-by-glob": "a table: for files that match a glob, a list of rules",
    "globs": "a list of globs",
    "file": "the name of a file",
    "folders": "a list of folders",
    "words": "a list of words",
    "tables": "tables",
}
VERBS = ("", *cli.VERBS)


def pages() -> dict[str, str]:
    """Return the text of every page that is made, by its path under docs/."""
    made = {
        "rules/index.md": _index(),
        "refusals.md": _refusals(),
        "settings.md": _settings(),
        "command-line.md": _command_line(),
    }
    made |= {f"rules/{rule.code}.md": _rule(rule) for rule in catalogue.rules()}
    return {path: MADE + text for path, text in made.items()}


def _rule(rule: Rule) -> str:
    parts = [f"# {rule.code} {rule.name}", rule.summary]
    for heading, body in rule.sections.items():
        links = "\n".join(f"- <{link}>" for link in body.split())
        parts += [f"## {heading}", links if heading == "References" else body]
        if heading == "Example":
            parts.append(_repaired(body))
    return "\n\n".join(parts) + "\n"


def _repaired(example: str) -> str:
    """Return what fixgrad makes of the program in a rule's example."""
    (program,) = re.findall(r"(?s)```python\n(.*?)```", example)
    options = Options(diff=True, unsafe=True)
    outcome = pipeline.run_on_text("example.py", program.encode(), options)
    if not outcome.patches:
        (entry,) = outcome.entries
        return f"fixgrad leaves it alone: {entry.tag}."
    (repair,) = outcome.repaired
    unsafe = "" if str(repair.applicability) == "safe" else " --unsafe-fixes"
    patch = render(outcome.patches).decode()
    return f"`fixgrad --fix{unsafe}` makes of it:\n\n```diff\n{patch[patch.index('@@ ') :]}```"


def _index() -> str:
    rows = [f"| [{r.code}]({r.code}.md) | {r.name} | {r.summary} |" for r in catalogue.rules()]
    table = "\n".join(["| code | name | what |", "| --- | --- | --- |", *rows])
    return (
        f"# Rules\n\n{table}\n\nA finding that is not repaired says why, with a code of its own: see "
        "[Refusals](../refusals.md).\n"
    )


def _refusals() -> str:
    parts = ["# Refusals", "Why a finding is left alone, and what you can do about it."]
    for rule in catalogue.refusals():
        parts += [f"## {rule.code} {rule.name}", rule.summary]
        parts += [f"### {heading}\n\n{body}" for heading, body in rule.sections.items()]
    return "\n\n".join(parts) + "\n"


def _settings() -> str:
    about = (
        "A setting is a key of `[tool.fixgrad]` in pyproject.toml or of a fixgrad.toml, and an option of the command "
        "line: the README says which file counts, and what comes of both together."
    )
    parts = ["# Settings", about]
    for section in (RULES, FILES, REPAIRS, REPORT, SPEED):
        parts.append(f"## {section}")
        parts += [_setting(setting) for setting in SETTINGS if setting.section == section]
    return "\n\n".join(parts) + "\n"


def _setting(setting: Setting) -> str:
    kind = _KINDS.get(setting.kind) or f"one of `{'`, `'.join(setting.choices)}`"
    parts = [f"### {setting.name}", " ".join(filter(None, (setting.text, setting.more)))]
    rows = [f"- Holds: {kind}", f"- Default: `{toml(setting.default)}`"]
    if setting.kind not in WITHOUT_OPTION:
        rows.append(f"- Option: `{_option(setting)}`")
    example = f"```toml\n[tool.fixgrad]\n{setting.name} = {setting.example}\n```"
    return "\n\n".join([*parts, "\n".join(rows), example])


def _option(setting: Setting) -> str:
    if setting.kind == "flag":
        return f"--{setting.name}` or `--no-{setting.name}"
    return f"--{setting.name} {setting.metavar}"


def _command_line() -> str:
    parts = ["# Command line"]
    for verb in VERBS:
        arguments = [verb, "--help"] if verb else ["--help-all"]
        parts.append(f"## fixgrad {verb}".rstrip())
        parts.append(f"```text\n{shown(*arguments)}```")
    return "\n\n".join(parts) + "\n"


def shown(*arguments: str) -> str:
    """Return what a command line prints, 80 columns wide."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    text = io.TextIOWrapper(io.BytesIO(), "utf-8")
    try:
        with contextlib.redirect_stdout(text):
            assert cli.run(arguments) == 0
        text.flush()
        return text.buffer.getvalue().decode()
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def write() -> None:
    """Write the pages, and remove those of rules that are gone."""
    made = pages()
    for path in DOCS.rglob("*.md"):
        name = path.relative_to(DOCS).as_posix()
        if name not in made and path.read_text("utf-8").startswith(MADE.strip()):
            path.unlink()
    for name, text in made.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write()
    sys.exit()
