"""What is left where items are taken out of a list or set: item by item where it is known which they are.

Where it is not, all that was there may be left, and what is asked of the rest is about some of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import container_changes, containers, sequences
from fixgrad.flow.arguments import Call
from fixgrad.flow.guards import lose
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, tracked
from fixgrad.flow.values import NONE, NOTHING, Thing, Value, known, of_kind, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Items: TypeAlias = list[Value]
_PARTS = {
    **{"difference": "-", "intersection": "&", "symmetric_difference": "^"},
    **{"difference_update": "-", "intersection_update": "&", "symmetric_difference_update": "^"},
}  # what a method leaves of a set, as the operator
METHODS = (*_PARTS, "remove", "discard", "__delitem__")


def part(m: Machine, f: Frame, op: Op, state: State, left: Value, right: Value) -> Value:
    """Return `left - right`, `left & right` or `left ^ right`."""
    sides = [containers.elements(m, f, state, side, op) for side in (left, right)]
    kept = _kept(m, state, sides[0], sides[1], op.target)
    anything = NOTHING
    if kept is None:
        for side in (left, right) if op.target == "^" else (left,):
            inside = containers.any_element(m, f, state, side, op)
            for holder in ordered(side):
                for of in m.graph.all_of.get(holder, (holder,)):  # of what it is a copy of
                    _take_some(m, inside, of)
            anything |= inside
    made = containers.make(m, f, state, op.place, "list", kept, anything, "set")
    lose(state, made)
    return frozenset((made,))


def call_method(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    thing: Thing,
    name: str,
    values: Items,
    strong: bool,
) -> Value:
    """Call a method that gives part of a list or set, or leaves part of it."""
    if name == "__delitem__" and values:
        _delete(m, state, thing, values[0], strong)
    elif name in ("remove", "discard") and values:
        _take_out(m, state, thing, values[0], strong)
    elif name.endswith("_update"):
        found = _part_of(m, f, state, call, thing, name, values) if strong else frozenset()
        for made in found - {thing}:
            container_changes.clear(state, thing, True)
            container_changes.copy_items(state, made, thing)
        if not strong:
            _take_some(m, _inside(state, thing))
    elif name in _PARTS:
        return _part_of(m, f, state, call, thing, name, values)
    return NONE


def _part_of(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, others: Items
) -> Value:
    found: Value = frozenset((thing,))
    for other in others:
        op = containers.element_op(call.place)._replace(target=_PARTS[name])
        found = part(m, f, op, state, found, other)
    return found


def _take_out(m: Machine, state: State, thing: Thing, which: Value, strong: bool) -> None:
    """Take one item out of a list or set, by what it is."""
    items = sequences.numbered(state, thing)
    marks, mark = _marks(m, state, items), _marks(m, state, [which])
    if items is None or marks is None or mark is None or not strong:
        _take_some(m, _inside(state, thing))
        container_changes.shuffle(state, thing)
        lose(state, thing)
    elif mark[0] in marks:
        items.pop(marks.index(mark[0]))
        container_changes.rewrite(state, thing, items)


def _delete(m: Machine, state: State, thing: Thing, at: Value, strong: bool) -> None:
    """Take items out of a list by their position: `del layers[1:]`."""
    items = sequences.numbered(state, thing)
    sure, number = known(at)
    cuts = [t.data for t in of_kind(at, "slice") if isinstance(t.data, slice)]
    if items is not None and strong and len(at) == 1 and cuts:
        del items[cuts[0]]
        container_changes.rewrite(state, thing, items)
        return
    if items is None or not strong or not (sure and isinstance(number, int)):
        _take_some(m, _inside(state, thing))
    container_changes.pop(state, thing, at, strong)
    lose(state, thing)


def write_slice(
    m: Machine, f: Frame, state: State, thing: Thing, key: Value, new: Value, op: Op, strong: bool
) -> None:
    """Execute `xs[1:] = new`."""
    items, others = sequences.numbered(state, thing), containers.elements(m, f, state, new, op)
    cuts = [t.data for t in key if isinstance(t.data, slice)]
    if items is not None and others is not None and strong and len(cuts) == len(key) == 1:
        try:
            items[cuts[0]] = others
        except ValueError:  # the program raises it too
            return
        container_changes.rewrite(state, thing, items)
        return
    _take_some(m, _inside(state, thing))
    container_changes.shuffle(state, thing)
    state.add((thing, "[*]"), containers.any_element(m, f, state, new, op))
    lose(state, thing)


def take_one(m: Machine, state: State, thing: Thing, found: Value) -> None:
    """Note that one item is taken by its position, where some that may stand there have a gradient: `sorted(ps)[0]`."""
    if state.get((thing, "#length"), "maybe") != "maybe":
        return
    inside = {identity(t) for t in of_kind(found, "tensor")}
    if len({tracked(state, t) for t in inside}) > 1:
        m.graph.take_some(ordered(inside), thing)


def keep_last(m: Machine, state: State, thing: Thing) -> None:
    """Let a `deque(items, maxlen=2)` drop what it has no room for."""
    longest: Value = state.get((thing, "#longest"), NOTHING)
    if not longest:
        return
    items, (sure, number) = sequences.numbered(state, thing), known(longest)
    if items is not None and sure and isinstance(number, int):
        container_changes.rewrite(state, thing, items[max(len(items) - number, 0) :])
    elif items:
        _take_some(m, _inside(state, thing))
        container_changes.shuffle(state, thing)
    lose(state, thing)


def _inside(state: State, thing: Thing) -> Value:
    return frozenset(state.get((thing, "[*]"), NOTHING))


def note_pop(m: Machine, state: State, thing: Thing, at: Value) -> None:
    """Note that a list goes on without one of its items, where nobody knows which: `runs.pop(best)`."""
    if not known(at)[0] and not m.loops:
        _take_some(m, _inside(state, thing))


def _kept(
    m: Machine, state: State, items: Items | None, others: Items | None, target: str
) -> Items | None:
    marks, known_ones = _marks(m, state, items), _marks(m, state, others)
    if items is None or others is None or marks is None or known_ones is None:
        return None
    kept = {k: v for k, v in zip(marks, items, strict=True) if (k in known_ones) is (target == "&")}
    if target == "^":
        more = zip(known_ones, others, strict=True)
        kept.update((mark, value) for mark, value in more if mark not in marks)
    return list(kept.values())


def _marks(m: Machine, state: State, items: Items | None) -> list[object] | None:
    """Return what each item is told from the others by; None where one of them may be several."""
    found: list[object] = []
    for value in items or ():
        sure, constant = known(value)
        things = ordered(value)
        if sure:
            found.append(constant)
        elif len(things) == 1 and _is_one(m, state, things[0]):
            found.append(identity(things[0]))
        else:
            return None
    return None if items is None else found


def _is_one(m: Machine, state: State, thing: Thing) -> bool:
    me = identity(thing)
    alone = me not in m.graph.several and not m.graph.loops.get(me)
    return thing.kind == "tensor" and alone and not state.get((me, "#perhaps"))


def _take_some(m: Machine, inside: Value, of: Thing | None = None) -> None:
    """Note that some of these are left, and nobody knows which; who asks for all of a list means them all."""
    m.graph.take_some([identity(t) for t in of_kind(inside, "tensor")], of)
