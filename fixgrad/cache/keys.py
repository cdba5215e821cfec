"""What a kept answer depends on: fixgrad itself, with its knowledge, Python, and what was asked."""

from __future__ import annotations

import functools
import os
import sys
from _blake2 import blake2b
from collections.abc import Iterator

from fixgrad import __version__

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@functools.cache
def fingerprint() -> str:
    """Return what changes with fixgrad, its tables of knowledge, or Python."""
    python = (sys.implementation.cache_tag, sys.version_info[:3])
    return key_of(__version__, python, sorted(_files(_PACKAGE)))


def key_of(*parts: object) -> str:
    """Return what tells these values from others; they are told apart by how they are printed."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _files(entry.path)
            else:
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
