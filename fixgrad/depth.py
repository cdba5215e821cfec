"""Recursion as deep as a program is nested: what Python's own limit stops runs again with more room."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

_STACK = 512 << 20  # bytes of address space; what is not used costs nothing
_DEEPEST = 50_000  # frames: some 20 a level of nested code, and Python nests at most 100 blocks

_Result = TypeVar("_Result")


def deeply(function: Callable[[], _Result]) -> _Result:
    """Call a function of no side effects; where it recurses too deep, again on a larger stack."""
    try:
        return function()
    except RecursionError:
        return _on_a_larger_stack(function)


def _on_a_larger_stack(function: Callable[[], _Result]) -> _Result:
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # it is raised again by the caller, below
            errors.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
    sys.setrecursionlimit(_DEEPEST)
    try:
        thread = threading.Thread(target=run, daemon=True)  # Ctrl-C does not wait for it
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if errors:
        raise errors[0]
    return results[0]
