"""Lists of tensors of which every turn of a loop has put in one of its own: `losses.append(loss)`.

Who goes through such a list meets another tensor in every turn, though the analysis has one for them all. A fact of a
list: #each, the tensors that stand in it so; the list itself among them where they may stand there more than once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.containers import reachable
from fixgrad.flow.ir import Place
from fixgrad.flow.renewal import is_of_this_turn
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, Thing, Value, of_kind, ordered, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine

EACH = "#each"
# What leaves every item in a list at most once, as it is told from the others by its place.
KEEPING = frozenset(
    ("append", "clear", "copy", "count", "index", "pop", "popleft", "remove", "reverse", "sort")
)


def note(m: Machine, state: State, holder: Thing, value: Value, place: Place) -> None:
    """Note that a turn of a loop puts something into a list."""
    for tensor in map(identity, of_kind(value, "tensor") if m.loops else ()):
        first = m.graph.put_first.setdefault((holder, tensor), place) == place
        fresh = first and is_of_this_turn(m, tensor)
        state.add((holder, EACH), frozenset((tensor if fresh else holder,)))


def spoil(state: State, holder: Thing) -> None:
    """Note that items of a list may stand there more than once."""
    if holder.kind == "list":
        state.add((holder, EACH), frozenset((holder,)))


def pass_on(state: State, lists: Iterable[Value], made: Thing) -> None:
    """Note that a list has the items of others, each of them once more."""
    each = (state.get((t, EACH), NOTHING) for value in lists for t in of_kind(value, "list"))
    state.set((made, EACH), union(each))


def begin_turn(m: Machine, state: State, through: Value, element: Value) -> None:
    """Let the tensor that a turn of a loop gets of a list be another one than the last turn's.

    No backward pass has been through it yet, nor through what was made for it in the same turn of the other loop.
    """
    each: Value = union(state.get((t, EACH), NOTHING) for t in of_kind(through, "list"))
    if not each or m.loops[-1].first or any(t.kind == "list" for t in each):
        return
    for tensor in ordered(each.intersection(reachable(state, [element]))):
        for thing in _made_with(m, state, tensor):
            for field in ("#freed", "#run", "#after"):
                if state.get((thing, field)):
                    state.set((thing, field), NOTHING)


def _made_with(m: Machine, state: State, tensor: Thing) -> list[Thing]:
    """Return a tensor and what it was computed from that the same turn of a loop has made for it alone.

    Nothing, where what a turn has computed goes into the next: `h = h * w`.
    """
    turn, made_in, made_at = m.graph.made_in.get(tensor), m.graph.made_in, m.graph.made_at
    found = {tensor: None}
    pending = [tensor] if turn else []
    for thing in pending:  # it grows meanwhile
        inputs = [
            t for t in ordered(state.get((thing, "#inputs"), NOTHING)) if made_in.get(t) == turn
        ]
        if any(made_at[t] >= made_at[thing] for t in inputs):
            return []
        new = [t for t in inputs if t not in found]
        found.update(dict.fromkeys(new))
        pending += new
    return [t for t in pending if t is tensor or not _may_stay(m, state, t)]


def _may_stay(m: Machine, state: State, thing: Thing) -> bool:
    """Say whether later turns may compute with what one has made: it has several names, or something keeps it."""
    names = {(path, name) for (path, _, name), held in m.graph.bound.items() if thing in held}
    names |= {(path, name) for (path, held), name in m.graph.variables.items() if held is thing}
    if len(names) > 1 or any(held is thing for _, held in m.graph.put_first):
        return True
    return any(
        field[0] != "#" and owner is not None and owner.kind not in ("frame", "file")
        for owner, field in state.holders(thing)
    )
