"""Locks that the system lets go of when their holder dies: on journals, and on folders being written."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator

from fixgrad.errors import FixgradError
from fixgrad.project import git_root

PATIENCE = 30.0  # seconds; a write takes a small part of one
_MOST = 200  # descriptors


def lock(descriptor: int) -> None:
    """Take the lock of an open file or raise OSError."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415  (exists on Windows only)

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415  (exists elsewhere only)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def held(targets: Iterable[str]) -> Iterator[None]:
    """Keep other runs from writing in the same projects; nothing is left behind in them.

    Where a file system has no locks of folders, as on Windows, only the looks at each file before it
    is replaced keep two runs apart.
    """
    descriptors: list[int] = []
    try:
        for folder in _projects(targets):
            descriptor = _held(folder)
            if descriptor is not None:
                descriptors.append(descriptor)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _projects(targets: Iterable[str]) -> list[str]:
    """Return the folders to lock, in the order in which every run locks them."""
    folders = {os.path.dirname(target) for target in targets}
    return sorted({git_root(folder) or folder for folder in folders})[:_MOST]


def _held(folder: str) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # may be searched, not read
        return None
    until = time.monotonic() + PATIENCE
    while True:
        try:
            lock(descriptor)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(descriptor)
                raise FixgradError(
                    f"{folder}: another fixgrad has been writing here for {PATIENCE:.0f} s; run again"
                    " when it is done; nothing was written"
                ) from None
            time.sleep(0.02)
        except OSError:  # no locks here
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor
