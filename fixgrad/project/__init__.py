"""Find and read the user's files; nothing else in fixgrad reads them."""

from __future__ import annotations

from fixgrad.project.discovery import as_shown, find_files
from fixgrad.project.globs import Glob, matcher
from fixgrad.project.reading import (
    decode,
    digest,
    from_text,
    is_file,
    mentions_torch,
    read,
    read_all,
    read_bytes,
)
from fixgrad.project.roots import git_root, patch_paths
from fixgrad.project.surroundings import Surroundings

__all__ = [
    "Glob",
    "Surroundings",
    "as_shown",
    "decode",
    "digest",
    "find_files",
    "from_text",
    "git_root",
    "is_file",
    "matcher",
    "mentions_torch",
    "patch_paths",
    "read",
    "read_all",
    "read_bytes",
]
