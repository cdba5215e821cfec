"""What was computed from a tensor, at one point of a program: in parts, as a tensor may have very many.

Two sets a tensor: "#consumers", what autograd saved its values for, and "#results", all that was computed
from it. Each is spread over cells of at most `_PART` things, so that one more costs the same however many
there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine

_PART = 32


def enter(m: Machine, state: State, source: Thing, which: str, thing: Thing) -> None:
    """Take one more thing into a set of a tensor."""
    numbers = m.graph.descendants.setdefault((source, which), {})
    part = numbers.setdefault(thing, len(numbers)) // _PART
    state.add((source, f"{which}.{part}"), frozenset((thing,)))


def descendants(m: Machine, state: State, source: Thing, which: str) -> Iterator[Thing]:
    """Yield what is in a set of a tensor here."""
    for part in _parts(m, source, which):
        yield from ordered(state.get((source, part), NOTHING))


def forget(m: Machine, state: State, source: Thing, which: str) -> None:
    """Empty a set of a tensor."""
    for part in _parts(m, source, which):
        if state.get((source, part)):
            state.set((source, part), NOTHING)


def _parts(m: Machine, source: Thing, which: str) -> list[str]:
    known = len(m.graph.descendants.get((source, which), ()))
    return [f"{which}.{part}" for part in range(-(-known // _PART))]


def passed_through(state: State, things: Iterable[Thing]) -> frozenset[object]:
    """Return the backward passes that have freed what is behind some tensors."""
    none: frozenset[object] = frozenset()
    return none.union(*(state.get((t, "#run"), none) for t in things))
