"""Which paths a user leaves out with `--exclude`, and which are left out by default."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

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


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a test of paths: does a glob match the path or a folder that holds it?

    As in a .gitignore: a glob without a slash names a file or folder at any depth, one with
    a slash is taken from the current folder. `*` stops at a slash, `**` does not.
    """
    patterns = [_translate(glob) for glob in globs]
    if not patterns:
        return lambda path: False
    try:
        matches = re.compile("|".join(patterns)).match
    except re.error as error:
        raise FixgradError(f"--exclude {error.pattern!r}: not a glob ({error.msg})") from error
    return lambda path: matches(path) is not None


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
