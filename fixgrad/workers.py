"""Worker processes of this machine, and answers of any executor; what they fail at is done here."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from fixgrad.errors import FixgradError
from fixgrad.progress import counted

_Given = ParamSpec("_Given")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

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


def asked(
    executor: Executor,
    work: Callable[_Given, _Result],
    *given: _Given.args,
    **named: _Given.kwargs,
) -> Callable[[], _Result]:
    """Ask an executor for something; return what waits for the answer."""
    try:
        future = executor.submit(work, *given, **named)
    except Exception:  # it broke meanwhile
        return lambda: work(*given, **named)

    def answer() -> _Result:
        try:
            return future.result()
        except FixgradError:
            raise
        except Exception:  # the worker died, or met a bug of ours, which is then met here
            return work(*given, **named)

    return answer


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
            answers = [asked(workers, _work_on, group) for group in groups]
            done: dict[int, _Result] = {}
            for group, answer in counted("following", list(zip(groups, answers, strict=True))):
                done.update(zip(group, answer(), strict=True))
    finally:
        _inherited.pop()
    return [done[number] for number in range(len(items))]


def _work_on(numbers: Sequence[int]) -> list[Any]:
    work, items = _inherited[-1]
    return [work(items[number]) for number in numbers]
