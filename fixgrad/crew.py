"""Who does the work of a run: this process, several of this machine, or an executor of the user's.

Two stages can be shared out. Files are lowered each by itself, by any `concurrent.futures.Executor`: what goes
there and comes back is data. Parts of a project are followed by copies of this process, made by fork, where
the system makes such copies safely. What the workers do not get done, this process does.
"""

from __future__ import annotations

import gc
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from fixgrad.edition import edition
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
PATIENCE = 30.0  # seconds without an answer, until what an executor has is done here as well
_BATCH = 200_000  # characters that a worker is given at a time

# The limit of recursion and the filters of warnings are for all threads of a process: one at a time.
_turn = threading.Lock()


class Sent(NamedTuple):
    """The facts of a file on their way from elsewhere: a third as long."""

    head: bytes
    bodies: bytes


def lowered_of(sources: Sequence[Source]) -> list[Lowered]:
    """Return the facts of each file, the problem with it, or None for a notebook: that is read at home."""
    with _turn, _without_collecting():
        return [_facts_of(source) for source in sources]


def sent_by(sources: Sequence[Source], wanted: str) -> list[Lowered | Sent]:
    """Return the same to a process of which nothing is known but which fixgrad it has.

    Another edition of fixgrad than is `wanted` may see other facts; it is an error.
    """
    if wanted != edition():
        raise FixgradError(f"a worker has {edition()}, not {wanted}; install the same there")
    return [
        Sent(done.head, zlib.compress(done.bodies, 1)) if isinstance(done, Facts) else done
        for done in lowered_of(sources)
    ]


class Crew:
    """Shares work out over `jobs` processes; files are lowered by the `executor` where there is one."""

    def __init__(self, jobs: int = 1, executor: Executor | None = None) -> None:
        self.jobs = jobs or _processors()  # 0 is one a processor
        self.executor = executor

    def lowered(self, sources: Sequence[Source]) -> list[Module | Problem]:
        """Lower files, in order."""
        if self.executor is not None:
            work = partial(sent_by, wanted=edition())
            return _lowered_by(self.executor, work, sources, PATIENCE)
        size = sum(len(source.text) for source in sources)
        if self.jobs > 1 and size >= WORTH_READING:
            from fixgrad import workers  # noqa: PLC0415  (they take twice as long to load as Python)

            if workers.can_fork() or size >= WORTH_SPAWNING:
                with workers.pool(self.jobs) as pool:
                    return _lowered_by(pool, lowered_of, sources)
        done = _thrifty if len(sources) > MANY else lower
        return [done(source) for source in counted("reading", sources)]

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


def _lowered_by(
    executor: Executor,
    work: Callable[[Sequence[Source]], Sequence[Lowered | Sent]],
    sources: Sequence[Source],
    patience: float | None = None,
) -> list[Module | Problem]:
    from fixgrad import workers  # noqa: PLC0415

    batches = list(_batches(sources))
    answers = workers.in_turn(executor, work, batches, patience)
    found: list[Module | Problem] = []
    with closing(answers):
        for batch in counted("reading", batches):
            found += map(_at_home, batch, next(answers))
    return found


def _facts_of(source: Source) -> Lowered:
    if source.notebook is not None:
        return None
    module = lower(source)
    return facts(module) if isinstance(module, Module) else module


@contextmanager
def _without_collecting() -> Iterator[None]:
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end; collecting costs a fifth of the time
    try:
        yield
    finally:
        if collecting:
            gc.enable()


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


def _at_home(source: Source, done: Lowered | Sent) -> Module | Problem:
    if done is None:
        with _turn:
            return lower(source)
    if isinstance(done, Sent):
        done = Facts(done.head, zlib.decompress(done.bodies))
    return done if isinstance(done, Problem) else module_of(source.path, done)
