"""Which turn of a loop made a tensor, and whether its values came back from this turn or an earlier one.

A value that leaves for NumPy at the end of a turn and comes back in the next is of a tensor that has been
made anew by then: no gradient is asked of the old one. Facts of what holds values of tensors: #present,
those of its #cut that had not been made anew when it was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, Value, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine


def made_now(m: Machine, thing: Thing) -> None:
    """Note when, and in which turn of which loop, a thing is made."""
    graph = m.graph
    graph.made_at[thing] = graph.tick()
    if not m.loops:
        graph.made_in.pop(thing, None)
        return
    loop = m.loops[-1]
    # conservative: what is made under a condition may be the one of an earlier turn
    always = m.branches == loop.branches and not (m.tries or loop.breaks or loop.continues)
    graph.made_in[thing] = loop.number if always else 0


def is_of_this_turn(m: Machine, thing: Thing) -> bool:
    """Say whether each turn of the innermost loop makes a thing anew; without a loop, there is one turn."""
    return not m.loops or m.graph.made_in.get(thing) == m.loops[-1].number


def present_values(m: Machine, state: State, inputs: Iterable[Thing], me: Value) -> Value:
    """Return the tensors whose values, as they are now, tensors, arrays and numbers hold.

    `me` are the tensors that the inputs are themselves.
    """
    found = set(me)
    for thing in inputs:
        if thing.kind != "tensor":
            known = state.get((thing, "#present"), NOTHING)
            found.update(t for t in known if not _made_anew(m, t, thing))
    return frozenset(found)


def note_return(m: Machine, state: State, root: Thing) -> None:
    """Note at a backward pass which tensors' present values came back on its way without a gradient."""
    seen: set[Thing] = set()
    pending = [root]
    while pending:
        thing = pending.pop()
        if thing in seen:
            continue
        seen.add(thing)
        earlier = state.get((thing, "#earlier"), NOTHING)
        pending.extend(state.get((thing, "#inputs"), NOTHING) - earlier)
        returned = [
            t
            for t in ordered(state.get((thing, "#present"), NOTHING))
            if not _made_anew(m, t, thing)
        ]
        if returned:
            m.graph.came_back.setdefault(thing, set()).update(_computed_from(m, state, returned))


def _computed_from(m: Machine, state: State, things: list[Thing]) -> set[Thing]:
    """Return the tensors, and those that they were computed from and that were not made anew since."""
    found: set[Thing] = set()
    pending = list(things)
    while pending:
        thing = pending.pop()
        if thing not in found:
            found.add(thing)
            inputs = state.get((thing, "#inputs"), NOTHING)
            pending.extend(t for t in inputs if not _made_anew(m, t, thing))
    return found


def _made_anew(m: Machine, thing: Thing, holder: Thing) -> bool:
    """Say whether this turn of a loop made a tensor again, after what holds the values of the one before."""
    graph = m.graph
    turn = graph.made_in.get(thing)
    if not turn or graph.made_at[thing] <= graph.made_at.get(holder, graph.clock):
        return False
    return any(loop.number == turn for loop in m.loops)
