"""What a write was about to do, on disk, so that the next run can take a killed one back.

One JSON file per running write in $XDG_STATE_HOME/fixgrad (or ~/.local/state/fixgrad, or
%LOCALAPPDATA%), locked by its writer for as long as that lives. Where that folder cannot be
written there is no journal: a failure is still rolled back, only a kill is not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fixgrad.project import git_root
from fixgrad.project.reading import digest
from fixgrad.source import Problem
from fixgrad.write.locks import held, lock


class Swap(NamedTuple):
    """One file to replace: what stands where, and how to know it again."""

    target: str  # "/home/me/project/train.py", links resolved
    new: str  # the new content, beside it: "/home/me/project/.fixgrad-4711-8c1f-0.new"
    old: str  # the old file while the others are renamed: "/home/me/project/.fixgrad-….old"
    digest_new: str
    digest_old: str


_PART = ".part"  # what a journal is called until it is written


class Journal:
    """The record of one write: under way until `commit`, then only leftovers to remove."""

    def __init__(self, token: str, swaps: Iterable[Swap]) -> None:
        self._path = os.path.join(state_folder(), f"write-{token}.json")
        self._descriptor: int | None = None
        try:
            os.makedirs(state_folder(), mode=0o700, exist_ok=True)
            self._record(swaps)
        except OSError:
            self.remove()

    def _record(self, swaps: Iterable[Swap]) -> None:
        """Write the record under another name first: a kill leaves all of it or what is swept away."""
        import json  # noqa: PLC0415  (only those who write need it)

        path, self._path = self._path, self._path + _PART
        record = json.dumps({"version": 1, "swaps": [swap._asdict() for swap in swaps]}).encode()
        self._descriptor = _own(self._path)
        if os.write(self._descriptor, record) < len(record):
            raise OSError("the journal was cut short")
        os.fsync(self._descriptor)
        os.rename(self._path, path)
        self._path = path

    def commit(self) -> None:
        """Say that every file is in place: from here on nothing is taken back."""
        if self._descriptor is None:
            return
        committed = os.path.join(
            state_folder(), os.path.basename(self._path).replace("write", "done")
        )
        os.rename(self._path, committed)
        self._path = committed

    def remove(self) -> None:
        """Forget the write: nothing of it is left to take back or to remove."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self.close()

    def close(self) -> None:
        """Give up the lock and leave the record to the next run."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Left(NamedTuple):
    """A journal whose writer is gone."""

    path: str
    committed: bool
    swaps: tuple[Swap, ...]


def interrupted(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the files of these projects that a killed run may have left half repaired."""
    left = [left for left in _left_behind(paths) if not left.committed]
    return tuple(sorted(swap.target for journal in left for swap in journal.swaps))


def recover(paths: Iterable[str]) -> tuple[Problem, ...]:
    """Take back what killed runs left in these projects; say which files stay as they are.

    A file that was edited since is left alone: whoever edited it has seen the repair. What cannot be
    taken back now is tried again by the next run.
    """
    problems: list[Problem] = []
    _sweep()
    for left in _left_behind(paths):
        done = True
        with held(swap.target for swap in left.swaps):
            for swap in left.swaps:
                try:
                    if not left.committed:
                        problems.extend(_take_back(swap))
                    _remove_leftovers(swap)
                except OSError as error:
                    done = False
                    message = f"cannot take back an interrupted write: {error}; run again"
                    problems.append(Problem(swap.target, 0, 0, message))
        if done:
            with contextlib.suppress(OSError):
                os.unlink(left.path)
    return tuple(problems)


def _take_back(swap: Swap) -> Iterator[Problem]:
    now = _digest_of(swap.target)
    if now == swap.digest_new and _digest_of(swap.old) == swap.digest_old:
        os.replace(swap.old, swap.target)
    elif now != swap.digest_old:
        message = "edited after an interrupted `fixgrad --fix`, so left as it is; review its repair"
        yield Problem(swap.target, 0, 0, message)


def _remove_leftovers(swap: Swap) -> None:
    for path in (swap.new, swap.old):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)


def _left_behind(paths: Iterable[str]) -> Iterator[_Left]:
    """Yield the journals of these projects whose writer is gone, each while its lock is ours."""
    roots = _roots(paths)
    for path in _named(".json"):
        with _unowned(path) as descriptor:
            swaps = () if descriptor is None else _read(descriptor)
            if any(_within(swap.target, roots) for swap in swaps):
                yield _Left(path, os.path.basename(path).startswith("done-"), swaps)


def _sweep() -> None:
    """Remove journals that were never finished: nothing had been done by then."""
    for path in _named(".json" + _PART):
        with _unowned(path) as descriptor, contextlib.suppress(OSError):
            if descriptor is not None:
                os.unlink(path)


def _named(ending: str) -> list[str]:
    folder = state_folder()
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    wanted = [n for n in names if n.startswith(("write-", "done-")) and n.endswith(ending)]
    return [os.path.join(folder, name) for name in wanted]


def _own(path: str) -> int:
    """Make a file that is locked from the start; who sweeps may have taken it for a leftover."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
    for _ in range(3):
        descriptor = os.open(path, flags, 0o600)
        with contextlib.suppress(OSError):
            lock(descriptor)
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)
    raise OSError("no lock could be had")


@contextlib.contextmanager
def _unowned(path: str) -> Iterator[int | None]:
    """Open a journal and keep its lock; None where its writer still runs."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        yield None
        return
    try:
        try:
            lock(descriptor)
        except OSError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> tuple[Swap, ...]:
    """Return what a journal says; nothing where it is none."""
    import json  # noqa: PLC0415  (only after a kill)

    try:
        record = json.loads(os.read(descriptor, os.fstat(descriptor).st_size))
        return tuple(Swap(**swap) for swap in record["swaps"]) if record["version"] == 1 else ()
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def state_folder() -> str:
    """Return the user's own folder for what outlives a run; it need not be there."""
    state = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    if not state or not os.path.isabs(state):
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "fixgrad")


def _roots(paths: Iterable[str]) -> list[str]:
    places = [os.path.realpath(path) for path in paths] or [os.path.realpath(".")]
    folders = [place if os.path.isdir(place) else os.path.dirname(place) for place in places]
    return [git_root(folder) or folder for folder in folders]


def _within(target: str, roots: Iterable[str]) -> bool:
    return any(target == root or target.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _digest_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return digest(file.read())
    except OSError:
        return ""
