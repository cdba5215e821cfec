"""Finds all that a program has started, whatever became of its parent, session and environment; on Linux.

Meanwhile orphans are handed to this process in place of the first one, so that everything the program started stays
below us.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType

_SET_ADOPTS, _GET_ADOPTS = 36, 37  # of prctl


class Orphans:
    """What is started while it is open; use as a context manager."""

    def __init__(self) -> None:
        self._adopted = False

    def __enter__(self) -> Orphans:
        self._adopted = _adopts()
        _adopt(True)
        self._before = {number for number, parent, *_ in _processes() if parent == os.getpid()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _adopt(self._adopted)

    def living(self) -> set[int]:
        """Return what runs below this process and did not before."""
        processes = _processes()
        ours = {os.getpid()}
        grown = True
        while grown:
            below = {n for n, parent, _ in processes if parent in ours and n not in self._before}
            grown = not below <= ours
            ours |= below
        ours.discard(os.getpid())
        ended = {number for number, _, state in processes if state in "ZX"}
        return ours - ended

    def bury(self, numbers: set[int]) -> None:
        """Put those to rest that were handed to us."""
        for number in numbers:
            with contextlib.suppress(OSError):
                os.waitpid(number, os.WNOHANG)


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _processes() -> set[tuple[int, int, str]]:
    """Return number, parent and state of all processes."""
    found: set[tuple[int, int, str]] = set()
    if not _is_linux():
        return found
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].decode().split()
                found.add((int(name), int(fields[1]), fields[0]))
    return found


def _adopts() -> bool:
    """Say whether orphans are handed to this process."""
    if not _is_linux():
        return False
    import ctypes  # noqa: PLC0415  (only where a program is run)

    value = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_GET_ADOPTS, ctypes.byref(value), 0, 0, 0)
    return bool(value.value)


def _adopt(wanted: bool) -> None:
    if not _is_linux():
        return
    import ctypes  # noqa: PLC0415  (only where a program is run)

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_ADOPTS, int(wanted), 0, 0, 0)
