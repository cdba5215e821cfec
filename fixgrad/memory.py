"""What a run takes from the cache and leaves there, where its files are enough to make that worth while."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fixgrad.cache.folder import CacheError, prepared
from fixgrad.cache.keys import key_of
from fixgrad.findings import Concluded
from fixgrad.options import Options
from fixgrad.project import Surroundings
from fixgrad.source import Problem

if TYPE_CHECKING:
    from fixgrad.cache.kept import Kept
    from fixgrad.cache.snapshot import Snapshot
    from fixgrad.cache.store import Store

WORTH_KEEPING = 100_000  # bytes of files; what is less is worked out again in no time


@contextmanager
def memory_of(
    options: Options, files: Sequence[str], around: Surroundings
) -> Iterator[Memory | None]:
    """Open the cache for a run over these files; None where there is none, or it does not pay."""
    if options.cache is None or _size(files) < WORTH_KEEPING:
        yield None
        return
    from fixgrad.cache.store import opened  # noqa: PLC0415  (it loads SQLite)

    try:
        store = opened(prepared(options.cache))
    except CacheError:
        yield None  # who has named the folder was told before
        return
    try:
        yield Memory(store, options, files, around)
    finally:
        store.close()


class Memory:
    """The cache as one run sees it."""

    def __init__(
        self, store: Store, options: Options, files: Sequence[str], around: Surroundings
    ) -> None:
        self._store = store
        self._asked = _asked(options, files)
        self._around = around
        self._snapshot = self._snapshot_of(options, files) if _is_plain(options) else None

    def _snapshot_of(self, options: Options, files: Sequence[str]) -> Snapshot:
        from fixgrad.cache.snapshot import Snapshot  # noqa: PLC0415

        key = key_of(self._asked, options.paths)
        return Snapshot(self._store, key, files, self._around.listing)

    def kept(self) -> Kept:
        """Return what is kept of single files and of parts of projects."""
        from fixgrad.cache.kept import Kept  # noqa: PLC0415  (it loads the analysis)

        return Kept(self._store, self._asked)

    def recall(self) -> tuple[Concluded, tuple[Problem, ...]] | None:
        """Return what was found when nothing was different."""
        return None if self._snapshot is None else self._snapshot.recall()

    def take(self, found: Concluded, problems: tuple[Problem, ...]) -> None:
        """Keep what was found now."""
        from fixgrad.cache.snapshot import Around  # noqa: PLC0415

        looked_at = self._around.looked_at()
        if self._snapshot is not None and looked_at is not None:
            self._snapshot.take(found, problems, Around(*looked_at))


def _is_plain(options: Options) -> bool:
    """Say whether what is found depends on the files and the options alone."""
    others = (options.baseline, options.evidence, options.since, options.handlers, options.mark)
    return not any(each is not None for each in others)


def _asked(options: Options, files: Sequence[str]) -> str:
    """Return what tells apart all options that findings and repairs depend on."""
    inner: Mapping[str, Options] = options.inner(files)
    folders = [(folder, _of_findings(inner[folder])) for folder in sorted(inner)]
    return key_of(os.getcwd(), _of_findings(options), folders)


def _of_findings(options: Options) -> tuple[object, ...]:
    return tuple(getattr(options, name) for name in options._fields if name not in _OF_THE_RUN)


# Fields that say what is done with findings, or how a run goes about its work.
_OF_THE_RUN = frozenset(
    (
        "paths", "fix", "diff", "traceback", "baseline", "write_baseline", "evidence", "since", "inner",
        "handlers", "mark", "jobs", "executor", "cache",
    )
)  # fmt: skip


def _size(files: Sequence[str]) -> int:
    """Return how large the files are together, as far as it matters."""
    size = 0
    for path in files:
        try:
            size += os.stat(path).st_size
        except (OSError, ValueError):
            continue
        if size >= WORTH_KEEPING:
            break
    return size
