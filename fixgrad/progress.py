"""How far a run has come, told to whoever listens: nobody, unless the command line shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

Listener: TypeAlias = Callable[[str, int, int], None]  # the stage, how much is done, of how much

_Item = TypeVar("_Item")
_listeners: list[Listener] = []
_stages: list[str] = []  # that go on, the outermost first


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Tell a listener of what goes on in this block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def counted(stage: str, items: Iterable[_Item]) -> Iterable[_Item]:
    """Return the items, telling how many are done; a stage inside of another tells nothing."""
    if not _listeners or _stages:
        return items
    return _told(stage, list(items))


def _told(stage: str, items: Sequence[_Item]) -> Iterator[_Item]:
    _stages.append(stage)
    try:
        for done, item in enumerate(items):
            for listener in _listeners:
                listener(stage, done, len(items))
            yield item
    finally:
        _stages.remove(stage)
