"""Which paths a user leaves out with `--exclude`, and which are left out by default."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from fixgrad.errors import FixgradError

_SKIPPED_FOLDERS = frozenset(
    {
        *(".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules"),
        *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"),
        *("site-packages", "build", "dist", ".eggs"),
    }
)


def skipped_by_default(folder: str) -> bool:
    """Say whether a folder of this name is somebody else's or generated code."""
    return folder in _SKIPPED_FOLDERS or folder.endswith(".egg-info")


class Glob(NamedTuple):
    """A glob of a settings file."""

    text: str
    folder: str  # where the file lies, absolute and with forward slashes: globs start there


def matcher(globs: Iterable[str | Glob]) -> Callable[[str], bool]:
    """Return a test of paths: does a glob match the path or a folder that holds it?

    As in a .gitignore: a glob without a slash names a file or folder at any depth, one with
    a slash is taken from the current folder, or from that of the settings file which holds it.
    `*` stops at a slash, `**` does not.
    """
    plain: list[str] = []
    anchored: dict[str, list[str]] = defaultdict(list)
    for glob in globs:
        if isinstance(glob, Glob):
            anchored[glob.folder].append(_translate(glob.text))
        else:
            plain.append(_translate(glob))
    tests = [_test(patterns, folder) for folder, patterns in anchored.items()]
    if plain:
        tests.insert(0, _test(plain))
    if len(tests) == 1:
        return tests[0]
    return lambda path: any(test(path) for test in tests)


def _test(patterns: list[str], folder: str | None = None) -> Callable[[str], bool]:
    try:
        matches = re.compile("|".join(patterns)).match
    except re.error as error:
        raise FixgradError(f"--exclude {error.pattern!r}: not a glob ({error.msg})") from error
    if folder is None:
        return lambda path: matches(path) is not None
    here = os.getcwd().replace(os.sep, "/")
    inside = f"{folder.rstrip('/')}/"

    def test(path: str) -> bool:
        place = posixpath.normpath(posixpath.join(here, path.replace(os.sep, "/")))
        known = place.removeprefix(inside) if place.startswith(inside) else f"../{place}"
        return matches(known) is not None

    return test


def _translate(glob: str) -> str:
    glob = glob.replace(os.sep, "/")
    while glob.startswith("./"):
        glob = glob[2:]
    body = glob.rstrip("/")
    anywhere = "(?:.*/)?" if "/" not in body else ""
    parts = [_translate_part(part) for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", body)]
    return f"{anywhere}{''.join(parts)}(?:/.*)?\\Z"


def _translate_part(part: str) -> str:
    match part:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    if len(part) > 2 and part.startswith("["):
        inside = part[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    return re.escape(part)
