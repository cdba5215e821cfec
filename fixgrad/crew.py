"""Who does the work of a run: this process, several of this machine, or an executor of the user's.

Two stages can be shared out. Files are lowered each by itself, by any `concurrent.futures.Executor`: what goes
there and comes back is data. Parts of a project are followed by copies of this process, made by fork, where
the system makes such copies safely. What the workers do not get done, this process does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fixgrad import __version__
from fixgrad.errors import FixgradError
from fixgrad.flow.facts import Facts, facts, module_of, packed
from fixgrad.flow.ir import Module
from fixgrad.flow.lower import lower
from fixgrad.progress import counted
from fixgrad.source import Problem, Source

if TYPE_CHECKING:
    from concurrent.futures import Executor

Lowered: TypeAlias = "Facts | Problem | None"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MANY = 100  # files of a project, from which on functions that nothing calls wait in packed form
WORTH_READING = 400_000  # characters of a project, from which on workers lower its files
WORTH_SPAWNING = 3_000_000  # the same where each worker has to load fixgrad first
WORTH_FOLLOWING = 400_000  # characters of what the largest part leaves to other workers
_BATCH = 200_000  # characters that a worker is given at a time


def lowered_of(sources: Sequence[Source], version: str = __version__) -> list[Lowered]:
    """Return the facts of each file, the problem with it, or None for a notebook: that is read at home."""
    if version != __version__:
        raise FixgradError(f"a worker has fixgrad {__version__}, not {version}; install the same")
    found: list[Lowered] = []
    for source in sources:
        module = lower(source)
        found.append(facts(module) if isinstance(module, Module) else module)
    return found


class Crew:
    """Shares work out over `jobs` processes; files are lowered by the `executor` where there is one."""

    def __init__(self, jobs: int = 1, executor: Executor | None = None) -> None:
        self.jobs = jobs or _processors()  # 0 is one a processor
        self.executor = executor

    def lowered(self, sources: Sequence[Source]) -> list[Module | Problem]:
        """Lower files, in order."""
        if self.executor is not None:
            return self._lowered_by(self.executor, sources)
        size = sum(len(source.text) for source in sources)
        if self.jobs > 1 and size >= WORTH_READING:
            from fixgrad import workers  # noqa: PLC0415  (they take twice as long to load as Python)

            if workers.can_fork() or size >= WORTH_SPAWNING:
                with workers.pool(self.jobs) as pool:
                    return self._lowered_by(pool, sources)
        done = _thrifty if len(sources) > MANY else lower
        return [done(source) for source in counted("reading", sources)]

    def _lowered_by(self, executor: Executor, sources: Sequence[Source]) -> list[Module | Problem]:
        from fixgrad import workers  # noqa: PLC0415

        batches = list(_batches(sources))
        asked = [workers.asked(executor, lowered_of, batch, __version__) for batch in batches]
        found: list[Module | Problem] = []
        for batch, answer in counted("reading", list(zip(batches, asked, strict=True))):
            found += map(_at_home, batch, answer())
        return found

    def spread(
        self, work: Callable[[_Item], _Result], items: Sequence[_Item], sizes: Sequence[int]
    ) -> list[_Result]:
        """Do the work for each item, in any order, and return the results in the order of the items.

        Results go from one process to another; what the work changes in the items is lost.
        """
        if self.jobs > 1 and len(items) > 1 and sum(sizes) - max(sizes) >= WORTH_FOLLOWING:
            from fixgrad import workers  # noqa: PLC0415

            if workers.can_fork():
                groups = _groups(sizes, sum(sizes) // (8 * self.jobs))
                return workers.spread(work, items, groups, self.jobs)
        # Of few parts each one tells by itself how far it is.
        told = counted("following", items) if len(items) > MANY else items
        return [work(item) for item in told]


ALONE = Crew()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(sources: Sequence[Source]) -> Iterator[list[Source]]:
    batch: list[Source] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += len(source.text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _groups(sizes: Sequence[int], least: int) -> list[list[int]]:
    """Put small items together, by number; the largest come first, as they take the longest."""
    groups: list[list[int]] = []
    filled = least
    for number in sorted(range(len(sizes)), key=lambda n: (-sizes[n], n)):
        if filled >= least:
            groups.append([])
            filled = 0
        groups[-1].append(number)
        filled += sizes[number]
    return groups


def _thrifty(source: Source) -> Module | Problem:
    module = lower(source)
    return packed(module) if isinstance(module, Module) else module


def _at_home(source: Source, done: Lowered) -> Module | Problem:
    if done is None:
        return lower(source)
    return done if isinstance(done, Problem) else module_of(source.path, done)
