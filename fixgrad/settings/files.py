"""Finds the settings file of a run and reads it; says on which line a key stands."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from fixgrad.errors import FixgradError

OWN_FILE, SHARED_FILE = "fixgrad.toml", "pyproject.toml"
_TABLE = ("tool", "fixgrad")
# Compiled when something is said of a line, which is seldom.
_HEADER = r"\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(?:#.*)?\Z"
_KEY = r"""\s*(?P<name>(?:"[^"]*"|'[^']*'|[\w\-. \t])+?)\s*="""
_AT = r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)"


class SettingsFile(NamedTuple):
    """A settings file as read; nothing in it is checked yet."""

    path: str  # as messages name it
    folder: str  # absolute: where its globs start
    table: dict[str, Any]
    text: str
    prefix: tuple[str, ...]  # where the table stands in the file: ("tool", "fixgrad") or ()

    def place(self, *keys: str) -> str:
        """Return where a key stands, "pyproject.toml:12", as far as that can be told."""
        line = _line_of(self.text, (*self.prefix, *keys))
        return f"{self.path}:{line}" if line else self.path


def find(paths: Sequence[str]) -> SettingsFile | None:
    """Return the nearest settings around the paths; None where their project has none.

    They are looked for in the folder that holds all the paths, and further up as far as the
    repository goes. A pyproject.toml without `[tool.fixgrad]` is passed over.
    """
    folder = common_folder(paths)
    while True:
        found = in_folder(folder)
        if found is not None:
            return found
        top = any(os.path.lexists(os.path.join(folder, mark)) for mark in (".git", ".hg"))
        above = os.path.dirname(folder)
        if top or above == folder:
            return None
        folder = above


def in_folder(folder: str) -> SettingsFile | None:
    """Return the settings that a folder holds itself."""
    for name in (OWN_FILE, SHARED_FILE):
        path = os.path.join(folder, name)
        found = read(path) if os.path.isfile(path) else None
        if found is not None:
            return found
    return None


def given(path: str) -> SettingsFile:
    """Read the file that a user names, whatever it is called."""
    found = read(path)
    if found is None:
        raise FixgradError(f"{path}: there is no [tool.fixgrad] in it")
    return found


def read(path: str) -> SettingsFile | None:
    """Read one file; None where it is a pyproject.toml that says nothing of fixgrad."""
    if sys.version_info >= (3, 11):  # only where there is a file: it is a tenth of a short run
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415

    shown = _shown(path)
    text = _text(path, shown)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FixgradError(_not_toml(shown, str(error))) from error
    except RecursionError as error:
        raise FixgradError(f"{shown}: not valid TOML: nested too deeply") from error
    folder = os.path.dirname(os.path.abspath(path)).replace(os.sep, "/")
    tool = document.get("tool")
    if not isinstance(tool, dict) or "fixgrad" not in tool:
        own = os.path.basename(path) != SHARED_FILE
        return SettingsFile(shown, folder, document, text, ()) if own else None
    table = tool["fixgrad"]
    found = SettingsFile(shown, folder, {}, text, _TABLE)
    if not isinstance(table, dict):
        raise FixgradError(f"{found.place()}: fixgrad is not a table; write [tool.fixgrad]")
    return found._replace(table=table)


def _text(path: str, shown: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FixgradError(f"{shown}: not valid TOML: it is not in UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FixgradError(f"{shown}: cannot be read: {reason.lower()}") from error


def _not_toml(shown: str, said: str) -> str:
    at = re.search(_AT, said)
    reason = said[: at.start()] if at else said
    place = f"{shown}:{at['line']}:{at['column']}" if at and at["line"] else shown
    reason = reason[:1].lower() + reason[1:]
    end = ", at its end" if at and not at["line"] else ""
    return f"{place}: not valid TOML{end}: {reason}; correct it, or use --isolated to do without"


def common_folder(paths: Sequence[str]) -> str:
    """Return the innermost folder that holds all the paths; of standard input, the current one."""
    folders = []
    for path in paths or (".",):
        place = os.path.abspath("." if path == "-" else path)
        folders.append(place if os.path.isdir(place) else os.path.dirname(place))
    try:
        return os.path.commonpath(folders)
    except ValueError:  # on different drives
        return os.getcwd()


def _shown(path: str) -> str:
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return path
    return min(relative, os.path.abspath(path), key=len).replace(os.sep, "/")


def _line_of(text: str, wanted: tuple[str, ...]) -> int:
    """Return the line on which a key or its table begins, 0 where that is not plain to see."""
    table: tuple[str, ...] = ()
    nearest = 0
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(_HEADER, line)
        key = None if header else re.match(_KEY, line)
        if header:
            table = name = _parts(header["name"])
        elif key:
            name = (*table, *_parts(key["name"]))
        else:
            continue
        if name[: len(wanted)] == wanted:
            return number
        if key and name and wanted[: len(name)] == name:
            nearest = nearest or number  # an inline table that holds the key
    return nearest


def _parts(name: str) -> tuple[str, ...]:
    found = re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w\-]+)", name)
    return tuple(one or two or three for one, two, three in found)
