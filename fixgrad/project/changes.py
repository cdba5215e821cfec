"""Which lines of the user's files are new since a revision that git knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from fixgrad.errors import FixgradError
from fixgrad.project.discovery import asked_git
from fixgrad.project.reading import is_notebook
from fixgrad.project.roots import git_root

_HUNK = rb"@@ -\d+(?:,\d+)? \+(?P<line>\d+)(?:,(?P<count>\d+))? @@"
_ESCAPE = rb"(?s)\\([0-7]{3}|.)"
_LETTERS = {
    b"t": b"\t",
    b"n": b"\n",
    b"r": b"\r",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}

EVERY_LINE = frozenset({0})
"""Stands for all lines of a file: one that git does not know, or a notebook with any change."""


def changed_lines(revision: str, paths: Iterable[str]) -> dict[str, frozenset[int]]:
    """Return, for each path with any, the lines that are not in the revision as they are now.

    Where lines are only gone, those on both sides count: what was between them was a reason.
    `main...` means since the branch left main.
    """
    by_root: dict[str, dict[str, str]] = {}
    for path in paths:
        place = os.path.realpath(path)
        root = git_root(os.path.dirname(place))
        if root is None:
            raise FixgradError(f"--since {revision}: {path} is in no git repository")
        by_root.setdefault(root, {})[os.path.relpath(place, root).replace(os.sep, "/")] = path
    found: dict[str, frozenset[int]] = {}
    for root, names in sorted(by_root.items()):
        changed = _changed_in(root, revision)
        for name, path in names.items():
            if name in changed:
                found[path] = EVERY_LINE if is_notebook(path) else changed[name]
    return found


def _changed_in(root: str, revision: str) -> dict[str, frozenset[int]]:
    start = _start(root, revision)
    diff = _git(
        *(root, revision, "diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--src-prefix=a/", "--dst-prefix=b/", start, "--"),
    )
    found: dict[str, frozenset[int]] = {}
    name = ""
    left = 0  # lines of the hunk still to come: an added line may look like a header
    for line in diff.split(b"\n"):
        hunk = re.match(_HUNK, line)
        if left > 0 and line[:1] == b"+":
            left -= 1
        elif line.startswith(b"+++ "):
            name = _name(line[4:])
        elif hunk is not None:
            first, left = int(hunk["line"]), int(hunk["count"] or 1)
            lines = range(first, first + left) if left else (first, first + 1)
            found[name] = found.get(name, frozenset()).union(lines)
    unknown = _git(root, revision, "ls-files", "-o", "--exclude-standard", "-z")
    found |= dict.fromkeys(filter(None, os.fsdecode(unknown).split("\0")), EVERY_LINE)
    return found


def _start(root: str, revision: str) -> str:
    """Return the commit to compare with."""
    if revision.startswith("-"):
        raise FixgradError(f"--since {revision}: not a revision")
    branch = revision.removesuffix("...")
    if branch != revision:
        return _git(root, revision, "merge-base", branch or "HEAD", "HEAD").decode().strip()
    return (
        _git(root, revision, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        .decode()
        .strip()
    )


def _git(root: str, revision: str, *arguments: str) -> bytes:
    try:
        ran = asked_git(root, *arguments)
    except OSError as error:
        raise FixgradError(
            f"--since {revision}: git cannot be started ({error.strerror})"
        ) from error
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        reason = said.removeprefix("fatal: ") or "git knows no such revision"
        raise FixgradError(f"--since {revision}: {reason}")
    return ran.stdout


def _name(text: bytes) -> str:
    """Return the path that a header of a diff names."""
    text = text.rstrip(b"\t\r")
    if text.startswith(b'"'):
        text = re.sub(_ESCAPE, _unescaped, text[1:-1])
    return os.fsdecode(text.removeprefix(b"b/"))


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _LETTERS.get(code, code)
