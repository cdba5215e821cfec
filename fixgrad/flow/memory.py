"""What a change of a tensor's values does to what autograd saved of them or computed from them.

Facts of a tensor: #spoiled, a saved value was overwritten; #outpaced, the leaves that moved since it was
computed. `descendants` holds what was computed from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.conditions import note_change
from fixgrad.flow.descendants import descendants, forget
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, leaf, tracked
from fixgrad.flow.values import Thing, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine


SHALLOW = "shallow copy"  # the name of a tensor made by `copy.copy`


def on_the_same_memory(m: Machine, state: State, me: Thing) -> list[Thing]:
    """Return the tensors on the memory of one, itself included, whatever autograd knows of it."""
    whole = [me, *(t for t in ordered(state.get((me, "#storage"), ())) if t.kind == "tensor")]
    around = [t for other in whole for t in m.graph.sharing.get(other, ())]
    return [
        t
        for t in dict.fromkeys([*whole, *around])
        if t.kind == "tensor"
        and (t in whole or not state.get((t, "#storage"), set()).isdisjoint(whole))
    ]


def move(m: Machine, state: State, thing: Thing, how: str = "yes") -> None:
    """Note that the values in a tensor's memory change behind what was computed from them."""
    for tensor in on_the_same_memory(m, state, identity(thing)):
        for consumer in descendants(m, state, tensor, "#consumers"):
            state.set((consumer, "#spoiled"), how)
            note_change(m, consumer)
        forget(m, state, tensor, "#consumers")
        if tracked(state, tensor) == "yes" == leaf(state, tensor) and tensor in m.graph.from_data:
            _outpace(m, state, tensor)
        if tensor.name == SHALLOW and tensor is not identity(thing):
            state.add((tensor, "#displaced"), frozenset((identity(thing),)))


_SEES_CHANGES = ("view", "maybe-view")


def _outpace(m: Machine, state: State, source: Thing) -> None:
    """Mark what was computed from a leaf before it moved; views move with it."""
    seen: set[Thing] = set()
    pending = list(descendants(m, state, source, "#results"))
    while pending:
        thing = pending.pop()
        if thing in seen:
            continue
        seen.add(thing)
        made = m.graph.made.get(thing)
        if made is None or not (made.alias in _SEES_CHANGES or made.effect == "[]"):
            state.add((thing, "#outpaced"), frozenset((source,)))
            note_change(m, thing)
        pending.extend(descendants(m, state, thing, "#results"))
