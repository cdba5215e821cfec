"""Where a project begins: its settings or its git work tree; and paths as a patch names them."""

from __future__ import annotations

import os
from collections.abc import Iterable


def git_root(folder: str) -> str | None:
    """Return the top of the git work tree that holds `folder`, or None."""
    here = os.path.realpath(folder)
    while True:
        if os.path.exists(os.path.join(here, ".git")):
            return here
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg")


def project_root(folder: str) -> str | None:
    """Return the nearest folder around that is marked as a project's own, or None.

    A home folder under version control is none.
    """
    return _marked(folder, _MARKS)


def repository_root(folder: str) -> str | None:
    """Return the work tree that holds a folder, or None; it may hold several projects."""
    return _marked(folder, (".git", ".hg"))


def _marked(folder: str, marks: Iterable[str]) -> str | None:
    home = os.path.expanduser("~").replace(os.sep, "/")
    while folder not in (home, os.path.dirname(folder)):
        if any(os.path.lexists(f"{folder}/{mark}") for mark in marks):
            return folder
        folder = os.path.dirname(folder)
    return None


def patch_paths(paths: Iterable[str]) -> dict[str, str]:
    """Return each path as `git apply` wants it: relative to one root, with forward slashes.

    The root is the git work tree around the current folder, or the current folder outside of
    git. Where files lie outside of that, it is the work tree that holds them all, or "/".
    """
    places = {path: _place(path) for path in paths}
    root = _patch_root(places.values())
    return {
        path: os.path.relpath(place, root).replace(os.sep, "/") for path, place in places.items()
    }


def _patch_root(places: Iterable[str]) -> str:
    here = os.getcwd()
    root = git_root(here) or os.path.realpath(here)
    outside = [place for place in places if not _holds(root, place)]
    if not outside:
        return root
    for candidate in (git_root(os.path.dirname(outside[0])), os.path.realpath(here)):
        if candidate and all(_holds(candidate, place) for place in places):
            return candidate
    return os.path.abspath(os.sep)


def _place(path: str) -> str:
    """Return the absolute path, links resolved in the folder but not in the file's own name."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)


def _holds(root: str, place: str) -> bool:
    return place.startswith(root.rstrip(os.sep) + os.sep)
