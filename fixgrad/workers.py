"""Worker processes of this machine, and answers of any executor; what they fail at is done here."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from fixgrad.edition import edition
from fixgrad.errors import FixgradError
from fixgrad.progress import counted

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 64  # how many items an executor has, or has done and nobody has asked for yet

# What the workers have from this process by its fork: the work, and the items.
_inherited: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []


def can_fork() -> bool:
    """Say whether copies of this process are cheap and safe to make."""
    asked = multiprocessing.get_start_method(allow_none=True)
    return sys.platform == "linux" and asked in (None, "fork", "forkserver")


@contextmanager
def pool(size: int) -> Iterator[ProcessPoolExecutor]:
    """Open worker processes that do not outlive this block, however it is left."""
    context = multiprocessing.get_context("fork" if can_fork() else "spawn")
    workers = ProcessPoolExecutor(size, context, initializer=_begin)
    try:
        yield workers
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        workers.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    gc.disable()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Let no worker outlive a run that was killed, and could not end its workers itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def in_turn(
    executor: Executor,
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    patience: float | None = None,
) -> Generator[_Result, None, None]:
    """Yield what an executor makes of each item, in order; it has no more than some at a time.

    What does not come back is done here: the worker died, the executor broke, or nothing came for so
    many seconds as there is patience.
    """
    waiting: deque[tuple[_Item, Future[_Result] | None]] = deque()
    coming = iter(items)
    heard = time.monotonic()
    try:
        while True:
            for item in islice(coming, _AHEAD - len(waiting)):
                waiting.append((item, _submitted(executor, work, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            left = None if patience is None else max(0.0, heard + patience - time.monotonic())
            found = _answers(future, left)
            if found:
                heard = time.monotonic()
            yield found[0] if found else work(item)
    finally:
        for _, future in waiting:
            if future is not None:
                future.cancel()


def _submitted(
    executor: Executor, work: Callable[[_Item], _Result], item: _Item
) -> Future[_Result] | None:
    try:
        return executor.submit(work, item)
    except Exception:  # it broke meanwhile
        return None


def _answers(future: Future[_Result] | None, seconds: float | None) -> list[_Result]:
    """Return the answer, or none where the work is to be done here."""
    if future is None:
        return []
    try:
        return [future.result(seconds)]
    except FixgradError:
        raise
    except ImportError as error:
        raise FixgradError(
            f"a worker cannot load {edition()}: {error}; install it there"
        ) from error
    except Exception:  # the worker died, or met a bug of ours, which is then met here
        future.cancel()
        return []


def spread(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    groups: Sequence[Sequence[int]],
    most: int,
) -> list[_Result]:
    """Do the work for each item in copies of this process; items of a group in the same one."""
    _inherited.append((work, items))
    try:
        with pool(min(most, len(groups))) as workers:
            answers = in_turn(workers, _work_on, groups)
            done: dict[int, _Result] = {}
            for group in counted("following", groups):
                done.update(zip(group, next(answers), strict=True))
    finally:
        _inherited.pop()
    return [done[number] for number in range(len(items))]


def _work_on(numbers: Sequence[int]) -> list[Any]:
    work, items = _inherited[-1]
    return [work(items[number]) for number in numbers]
