"""The last run over some files with some options: where no file has changed, its answer holds.

A file that was written shortly before the run may be written again within the same tick of the file system's clock,
so a run over such files leaves no snapshot.
"""

from __future__ import annotations

import json
import marshal
import os
import time
from _blake2 import blake2b
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from fixgrad.cache.store import Store
from fixgrad.cache.values import dumped, loaded
from fixgrad.findings import Concluded
from fixgrad.source import Problem

State: TypeAlias = tuple[int, int, int, int]  # modified (ns), bytes, inode, mode

_KIND = "snapshot"
_TICK = 2_000_000_000  # nanoseconds; no file system in use is coarser


def states(paths: Iterable[str]) -> list[State | None]:
    """Return what tells whether each file or folder has changed; None where it cannot be asked."""
    found: list[State | None] = []
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode))
    return found


class Around(NamedTuple):
    """What a run has looked at beside the files that it was given."""

    files: tuple[str, ...]
    folders: Mapping[str, frozenset[str]]  # the names in each that count


class Snapshot:
    """Takes and recalls the answer for one list of files and one set of options."""

    def __init__(
        self, store: Store, key: str, files: Sequence[str], listed: Callable[[str], frozenset[str]]
    ) -> None:
        self._store = store
        self._key = key
        self._files = list(files)
        self._listed = listed  # the names in a folder that count, as they are now
        self._now = time.time_ns()
        self._states = states(files)  # before they are read

    @property
    def size(self) -> int:
        """The length of the files together, in bytes."""
        return sum(state[1] for state in self._states if state is not None)

    def recall(self) -> tuple[Concluded, tuple[Problem, ...]] | None:
        """Return what was found when the files were as they are now."""
        data = self._store.get(_KIND, [self._key]).get(self._key)
        if data is None:
            return None
        try:
            known = json.loads(data)
            if not self._holds(known):
                return None
            *concluded, problems = loaded(known["found"].encode())
            return Concluded(*concluded), problems
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def _holds(self, known: Any) -> bool:
        if known["files"] != _digest(self._files, self._states):
            return False
        if known["others"] != _plain(states(known["around"])):
            return False
        were = known["folders"]
        return all(
            now == state or sorted(self._listed(folder)) == names
            for (folder, state, names), now in zip(
                were, _plain(states(folder for folder, *_ in were)), strict=True
            )
        )

    def take(self, found: Concluded, problems: tuple[Problem, ...], around: Around) -> None:
        """Keep what was found."""
        others = states(around.files)
        if any(state is None or state[0] > self._now - _TICK for state in (*self._states, *others)):
            return
        folders = sorted(around.folders)
        known = {
            "files": _digest(self._files, self._states),
            "around": around.files,
            "others": others,
            "folders": [
                (folder, state, sorted(around.folders[folder]))
                for folder, state in zip(folders, states(folders), strict=True)
            ],
            "found": dumped((*found, problems)).decode(),
        }
        self._store.put(_KIND, {self._key: json.dumps(known, separators=(",", ":")).encode()})


def _digest(files: Sequence[str], found: Sequence[State | None]) -> str:
    """Return what tells these files in these states from others."""
    paths = [path.encode("utf-8", "surrogatepass") for path in files]
    told_apart = marshal.dumps(
        (paths, list(found)), 2
    )  # a later version may differ from run to run
    return blake2b(told_apart, digest_size=20).hexdigest()


def _plain(found: Sequence[State | None]) -> list[list[int] | None]:
    return [None if state is None else list(state) for state in found]
