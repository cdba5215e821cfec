"""What a backward pass does: leaves get gradients, the graph is freed, a freed graph cannot be used again."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import kept_results
from fixgrad.flow.conditions import cannot_have_changed
from fixgrad.flow.ir import Place
from fixgrad.flow.renewal import is_of_this_turn, note_return
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, leaf, log, tracked
from fixgrad.flow.values import NOTHING, Site, Thing, Value, of_kind, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def upstream(
    state: State,
    roots: Iterable[Thing],
    *,
    latest: bool = False,
    until: Container[Thing] = (),
) -> list[Thing]:
    """Return the roots and all that autograd recorded them from, nearest first.

    With `latest`, what the last turn of a loop made is not taken for what earlier ones did. Of what
    is in `until` nothing further is returned, nor it itself.
    """
    found: dict[Thing, None] = {}
    pending = [identity(t) for t in roots]
    for thing in pending:  # it grows meanwhile
        if thing in until or thing in found:
            continue
        if thing.kind == "tensor" and tracked(state, thing) == "no":
            continue
        found[thing] = None
        inputs = state.get((thing, "#inputs"), NOTHING)
        if latest:
            inputs -= state.get((thing, "#earlier"), NOTHING)
        pending.extend(ordered(inputs))
    return list(found)


def backward(
    m: Machine,
    f: Frame,
    state: State,
    roots: list[Thing],
    place: Place,
    detail: str,
    *,
    fills: bool,
    keeps: bool,
    again: bool = False,
    until: Container[Thing] = (),
) -> None:
    """Run the backward pass from roots: leaves get gradients, the graph is freed.

    `again` is said of a pass that is recorded itself, so that a gradient has a gradient; `until` are
    the tensors at which it ends, the only ones of which a gradient is asked.
    """
    this_pass = frozenset(((Site(f.module.path, place), f.path),))
    for root in roots:
        freed: list[Thing] = []
        reached = upstream(state, [root])
        unknown = any(t.kind != "tensor" for t in reached)
        latest = set(upstream(state, [root], latest=True, until=until))
        log(m, f, state, "backward", root, place, detail=detail, others=reached)
        note_return(m, state, identity(root))
        run = set(upstream(state, [root], until=until)) if until else reached
        for thing in reached:
            if tracked(state, thing) == "no" or thing.kind != "tensor":
                continue
            if thing not in run:
                state.set((thing, "#pending"), False)
                continue
            anew = _is_made_anew_unseen(m, thing)
            if thing in latest and not anew:
                _differentiate_changed(m, f, state, thing, place)
                if any(state.get((thing, field)) for field in _GONE):
                    log(m, f, state, "twice", thing, place)
            if thing in m.graph.underivable:
                log(m, f, state, "underivable", thing, place)
            if leaf(state, thing) != "no" and fills:
                state.set((thing, "#gradient"), "maybe" if unknown else "some")
                if again:
                    state.set((thing, "#twofold"), True)
            elif state.get((thing, "#saves")) == "yes" and not keeps:
                freed.append(thing)
                state.add((thing, "#freed"), this_pass)
            state.set((thing, "#pending"), False)
        # Only what a loop makes again is computed of what it was itself, if something has kept that.
        spent = _in_front_of(state, freed, run) if m.loops else []
        for thing in spent:
            if thing in m.graph.held:
                state.add((thing, "#run"), this_pass)
        kept_results.note_pass(m, state, spent)


_GONE = ("#freed", "#run", "#after")


def _in_front_of(state: State, freed: list[Thing], run: Iterable[Thing]) -> list[Thing]:
    """Return what a backward pass has come through on its way to what it has freed."""
    results: dict[Thing, list[Thing]] = {}
    for thing in run if freed else ():
        for source in state.get((thing, "#inputs"), NOTHING):
            results.setdefault(source, []).append(thing)
    found = dict.fromkeys(freed)
    pending = list(freed)
    for thing in pending:  # it grows meanwhile
        new = [t for t in results.get(thing, ()) if t not in found]
        found.update(dict.fromkeys(new))
        pending += new
    return [t for t in found if t.kind == "tensor"]


def _differentiate_changed(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> None:
    """Note that autograd meets values that have been written over, or that moved on."""
    spoiled = state.get((thing, "#spoiled"), "no")
    outpaced = state.get((thing, "#outpaced"))
    if (spoiled == "no" and not outpaced) or cannot_have_changed(m, thing):
        return
    if spoiled != "no":
        log(m, f, state, "modified", thing, place, detail=spoiled)
    if outpaced and not is_of_this_turn(m, thing):
        log(m, f, state, "outpaced", thing, place, others=outpaced)


def _is_made_anew_unseen(m: Machine, thing: Thing) -> bool:
    """Say whether a call that made a thing in an earlier turn was not followed in a later one."""
    cut_short, path = m.graph.cut_short, thing.path
    return bool(cut_short) and any(path[:end] in cut_short for end in range(1, len(path) + 1))


def may_run_backward(state: State, things: Iterable[Thing]) -> None:
    """Note that unknown code got these tensors and modules and may have differentiated them."""
    cells = state.cells
    seen: set[Thing] = set()
    pending: list[Thing] = _with_parameters(state, things)
    while pending:  # often, of large graphs: in no order, and the facts read as they are
        thing = identity(pending.pop())
        if thing in seen:
            continue
        seen.add(thing)
        if thing.kind == "tensor":
            if cells.get((thing, "#tracked"), "maybe") == "no":
                continue
            if cells.get((thing, "#leaf"), "maybe") != "no":
                state.set((thing, "#gradient"), "maybe")
        pending.extend(cells.get((thing, "#inputs"), ()))


def may_grant(state: State, things: list[Thing]) -> None:
    """Note that code that is not followed may have granted these a gradient, or what unknown code made them of."""
    pending, seen = list(things), set(things)
    for thing in pending:  # it grows meanwhile
        if thing.kind == "opaque":
            new = ordered(state.get((thing, "#inputs"), NOTHING) - seen)
            seen.update(new)
            pending += new
        elif tracked(state, thing) == "no":
            state.set((thing, "#tracked"), "maybe")


def _with_parameters(state: State, things: Iterable[Thing]) -> list[Thing]:
    """Return the things, and the parameters of the modules among them."""
    found: dict[Thing, None] = {}
    pending = list(things)
    while pending:
        thing = pending.pop()
        if thing not in found:
            found[thing] = None
            if thing.kind == "module":
                pending += ordered(state.get((thing, "#parameter"), ()))
                pending += ordered(state.get((thing, "#inner"), ()))
    return list(found)


def without_former(state: State, given: Iterable[Value], made: Value) -> Value:
    """Note that what an object held before need not be in what its method returns, which was not followed.

    What an earlier turn of a loop left in `self` is not differentiated again for that.
    """
    direct = {identity(t) for value in given for t in value}
    for thing in of_kind(made, "opaque"):
        state.set((thing, "#earlier"), state.get((thing, "#inputs"), NOTHING) - direct)
    return made
