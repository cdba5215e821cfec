"""The folder of the cache: the user's own, never one of a project, where a stranger could plant it."""

from __future__ import annotations

import os
import stat
import sys

VARIABLE = "FIXGRAD_CACHE_DIR"
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of fixgrad. It may be removed at any time.\n"
    "# What this file is for: https://bford.info/cachedir/\n"
)


class CacheError(Exception):
    """Why a folder is not taken as a cache."""


def default_folder() -> str | None:
    """Return where the cache is if nobody says otherwise; None where the user has no place for it."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return os.path.join(base, "fixgrad", "Cache") if base else None
    home = os.path.expanduser("~")
    if home == "~":
        return None
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "fixgrad")
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.join(home, ".cache"), "fixgrad")


def prepared(folder: str) -> str:
    """Return the folder after it was made; `CacheError` where others could write into it."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode):
            raise CacheError(f"{folder} is not a folder")
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise CacheError(f"{folder} belongs to somebody else")
        if sys.platform != "win32" and found.st_mode & 0o022:
            raise CacheError(f"others may write into {folder}")
        tag = os.path.join(folder, "CACHEDIR.TAG")
        if not os.path.exists(tag):
            with open(tag, "w", encoding="utf-8") as file:
                file.write(_TAG)
    except OSError as error:
        raise CacheError(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    return folder
