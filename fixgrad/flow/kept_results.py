"""Lists to which each turn of a loop adds a result: what earlier turns have put there is differentiated again.

The expression that makes a result stands for those of all turns. So a list says itself what it still holds of
earlier ones. Facts of a list: #spent, the results in it through which a backward pass has gone, #older, the
passes behind which are results of earlier turns in it. Fact of a tensor: #done, such a pass came to this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, identity, leaf
from fixgrad.flow.values import NOTHING, Site, Thing, Value, of_kind, ordered
from fixgrad.knowledge import tensor_operator

if TYPE_CHECKING:
    from fixgrad.flow.arguments import Argument
    from fixgrad.flow.ir import Place
    from fixgrad.flow.machine import Frame, Machine

_HOLDERS = ("list", "dict")


def note_put(m: Machine, f: Frame, state: State, holder: Thing, value: Value, place: Place) -> None:
    """Note that a result is put into a list or dict beside what is there."""
    if not m.loops or holder.kind not in _HOLDERS:
        return
    results = {identity(t) for t in of_kind(value, "tensor")}
    if not results:
        return
    m.graph.collected.setdefault(holder, set()).update(results)
    spent = state.get((holder, "#spent"), NOTHING)
    if any(t in spent and not state.get((t, "#done"), False) for t in results):
        passes: frozenset[object] = frozenset(((Site(f.module.path, place), f.path),))
        state.add((holder, "#older"), passes)


def note_pass(m: Machine, state: State, things: Iterable[Thing]) -> None:
    """Note which results in lists a backward pass has gone through, with what they were computed from."""
    gone = set(things)
    for holder, results in m.graph.collected.items():
        held = state.get((holder, "[*]"), NOTHING)
        inside = frozenset(t for t in results & gone if t in held)
        if inside:
            state.add((holder, "#spent"), inside)
            for thing in inside:
                state.set((thing, "#done"), True)


def forget(state: State, holder: Thing) -> None:
    """Note that something is taken out of a list: what is left may be of this turn."""
    for field in ("#spent", "#older"):
        if state.get((holder, field)):
            state.set((holder, field), NOTHING)


def note_taken(m: Machine, state: State, made: Thing, arguments: Iterable[Argument]) -> None:
    """Note that a tensor is computed of all that lists hold, results of earlier turns among them."""
    for argument in arguments if m.graph.collected else ():
        for holder in of_kind(argument.value, *_HOLDERS):
            older = state.get((holder, "#older"))
            if older:
                state.add((made, "#after"), older)
                m.graph.of_earlier_turns.add(made)


def taken(m: Machine, f: Frame, state: State, place: Place, holder: Thing, inside: Value) -> Value:
    """Return what one item of a list may be, where one of an earlier turn may be among them."""
    older = state.get((holder, "#older"))
    if not older:
        return inside
    row = tensor_operator("[]")
    assert row is not None
    found: set[Thing] = set()
    for thing in ordered(inside):
        if thing.kind != "tensor" or leaf(state, thing) != "no":
            found.add(thing)
            continue
        item = derive(m, f, state, place, row, [thing], name=f"one of {thing.number}")
        state.add((item, "#after"), older)
        m.graph.of_earlier_turns.add(item)
        found.add(item)
    return frozenset(found)
