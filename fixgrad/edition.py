"""Which fixgrad this is: what two machines must have alike, so that the one can take the other's answers."""

from __future__ import annotations

import functools
import os
import sys
from hashlib import blake2b

from fixgrad import __version__

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_PARTS = (".py", ".toml", ".txt")  # of fixgrad: its code and its tables of knowledge


@functools.cache
def edition() -> str:
    """Return what changes with fixgrad's version, its files, or the Python that reads programs."""
    python = ".".join(map(str, sys.version_info[:2]))
    return f"fixgrad {__version__} ({_digest()}) on Python {python}"


def _digest() -> str:
    """Return a sum of the files; two builds of one version may differ in them."""
    found = blake2b(digest_size=4)
    for folder, folders, names in os.walk(_PACKAGE):
        folders.sort()
        for name in sorted(names):
            if name.endswith(_PARTS):
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                found.update(f"{os.path.relpath(folder, _PACKAGE)}/{name} {len(data)} ".encode())
                found.update(data)
    return found.hexdigest()
