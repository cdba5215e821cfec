"""What one tensor's change does to others: grants, and writes to memory that several look at.

A view made before its base is granted stays unconnected, until a write to their memory: then autograd
makes the view anew, as one of a tracked base (#outgrown: such a write has been).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import descendants
from fixgrad.flow.gradients import moved_by_gradient
from fixgrad.flow.ir import Place
from fixgrad.flow.memory import move, on_the_same_memory
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tensors import dtype, identity, leaf, log, recorded, tracked
from fixgrad.flow.values import Thing, ordered
from fixgrad.knowledge import dtype_class

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


BY_KEYWORD = "inplace=True"  # the detail of a write that an activation does where it is asked to
PERHAPS_A_VIEW = "to change in place what may be a view of it"  # details of barred calls
ONE_OF_SEVERAL = "to change in place one of several views of it"


def grant(
    m: Machine,
    f: Frame,
    state: State,
    thing: Thing,
    place: Place,
    *,
    on: bool,
    strong: bool,
    form: str,
) -> None:
    """Set requires_grad on a tensor: on a leaf it counts, on anything else nothing happens."""
    me = identity(thing)
    strong = strong and me not in m.graph.several
    if not on:
        _withdraw(state, me, strong, told=form != "keyword")
        return
    log(m, f, state, "granted", thing, place, detail=form)
    state.set((me, "#told"), "no")
    if tracked(state, me) == "yes":
        return
    kind = dtype_class(dtype(state, me))
    if kind in ("integer", "bool"):
        return
    state.set((me, "#tracked"), "yes" if strong else "maybe")
    for other in ordered(state.get((me, "#perhaps"), ())):
        if tracked(state, other) == "no":
            state.set((other, "#tracked"), "maybe")
    for view in _views(m, state, me):
        _connect(state, view, me)


def _withdraw(state: State, me: Thing, strong: bool, told: bool) -> None:
    if me.name.startswith("parameter of"):
        strong = False  # conservative: it stands for several parameters
    if told and strong and tracked(state, me) == "no":
        state.set((me, "#told"), "yes")
    state.set((me, "#tracked"), "no") if strong else state.add((me, "#tracked"), "no")
    for other in ordered(state.get((me, "#perhaps"), ())):
        if leaf(state, other) != "no":
            state.add((other, "#tracked"), "no")


def detach_in_place(state: State, thing: Thing) -> None:
    """Cut a tensor itself off what it was computed from: `x.detach_()`."""
    me = identity(thing)
    state.set((me, "#tracked"), "no")
    state.set((me, "#leaf"), "yes")
    for other in ordered(state.get((me, "#perhaps"), ())):
        state.add((other, "#tracked"), "no")
        state.add((other, "#leaf"), "yes")


def write_in_place(
    m: Machine,
    f: Frame,
    state: State,
    thing: Thing,
    operands: list[list[Thing]],
    place: Place,
    detail: str,
) -> None:
    """Change a tensor in place: what is written flows into it and into whatever shares its memory.

    Of each group of operands any one thing is written, as in `derive`.
    """
    me = identity(thing)
    move(m, state, me)
    inputs = [t for group in operands for t in group]
    if m.optional:
        moved_by_gradient(m, me, inputs, state.get((me, "#storage"), ()))
    if state.get(MODE, "on") in ("on", "maybe"):
        aside = _is_elsewhere(m, me)
        if not aside:
            _note_change(m, f, state, me, place, detail)
        if recorded(state, (), [[me], *operands]) != "no":
            for other in _family(m, state, me):
                unsure = other is not me and _is_loose(state, me, other)
                _become_derived(state, other, operands, unsure)
            if detail == "copy_":
                state.set((me, "#outpaced"), frozenset())
            for source in {identity(t) for t in inputs} - {me}:
                if tracked(state, source) != "no":
                    descendants.enter(m, state, source, "#results", me)
        if not aside:
            m.graph.carried.setdefault(me, set()).update({identity(t) for t in inputs} - {me})
    for view in on_the_same_memory(m, state, me):
        _outgrow(state, view)
    overwrite_arrays(state, me)


def _is_elsewhere(m: Machine, me: Thing) -> bool:
    """Say whether a tensor is of an object of the program's that unknown callers are tried on.

    Nobody calls the method: what it would be given is not what the program computes the tensor from.
    """
    return m.graph.made_at.get(me, m.graph.clock) < m.tried_since


_SEVERAL = ("unbind", "split", "split_with_sizes", "chunk")  # views that autograd makes together


def _is_one_of_several(m: Machine, view: Thing) -> bool:
    made = m.graph.made.get(view)
    several = made is not None and made.effect.rpartition(".")[2] in _SEVERAL
    return several or view.name.startswith("element ")


def _note_change(m: Machine, f: Frame, state: State, me: Thing, place: Place, detail: str) -> None:
    """Record a change in place, of what may be the memory of a leaf too."""
    viewed = _leaf_viewed(m, state, me)
    log(m, f, state, "inplace", viewed, place, detail=detail)
    if _is_one_of_several(m, me):
        log(m, f, state, "barred", me, place, detail=ONE_OF_SEVERAL)
    for base in ordered(state.get((me, "#base"), ())) if viewed is me else ():
        if tracked(state, base) == "yes" == leaf(state, base):
            log(m, f, state, "barred", base, place, detail=PERHAPS_A_VIEW)


def _family(m: Machine, state: State, me: Thing) -> list[Thing]:
    """Return what autograd takes for one tensor looked at in several ways: a base and its views."""
    bases = ordered(state.get((me, "#base"), ())) or [me]
    return list(dict.fromkeys([me, *bases, *(v for base in bases for v in _views(m, state, base))]))


def _views(m: Machine, state: State, base: Thing) -> list[Thing]:
    sharing = m.graph.sharing.get(base, ())
    return [t for t in sharing if base in state.get((t, "#base"), ())]


def _is_loose(state: State, *things: Thing) -> bool:
    """Say whether one of the things only may be a view of what it was made of."""
    return any(state.get((t, "#loose")) or len(state.get((t, "#base"), ())) > 1 for t in things)


def _outgrow(state: State, view: Thing) -> None:
    """Note a write to the memory of a view."""
    bases = ordered(state.get((view, "#base"), ()))
    if bases:
        state.set((view, "#outgrown"), True)
    for base in bases:
        if tracked(state, base) != "no":
            _connect(state, view, base)


def _connect(state: State, view: Thing, base: Thing) -> None:
    """Connect a view that was made before its base was tracked, if their memory was written."""
    if not state.get((view, "#outgrown")) or leaf(state, view) == "no":
        return
    unsure = _is_loose(state, view) or tracked(state, base) != "yes"
    state.set((view, "#tracked"), "maybe" if unsure else "yes")
    state.set((view, "#leaf"), "maybe" if unsure else "no")
    state.add((view, "#inputs"), frozenset((base,)))


def _leaf_viewed(m: Machine, state: State, me: Thing) -> Thing:
    """Return the leaf that a tracked view looks at: writing to the view writes to the leaf."""
    thing = me
    while tracked(state, thing) != "no":
        made, sources = m.graph.made.get(thing), ordered(state.get((thing, "#inputs"), ()))
        views = made is not None and (made.alias == "view" or made.effect == "[]")
        if not views or len(sources) != 1:
            break
        thing = sources[0]
        if tracked(state, thing) == "yes" == leaf(state, thing):
            return thing
    return me


def _become_derived(state: State, thing: Thing, operands: list[list[Thing]], unsure: bool) -> None:
    """Let a tensor be computed, from now on, from what was written to its memory as well."""
    if tracked(state, thing) == "yes" and leaf(state, thing) == "yes":
        return  # raises: a leaf that requires grad
    if dtype_class(dtype(state, thing)) in ("integer", "bool"):
        return
    now = recorded(state, (), [[thing], *operands])
    keep = state.add if unsure else state.set
    keep((thing, "#tracked"), now)
    state.set((thing, "#leaf"), {"yes": "no"}.get(tracked(state, thing), "maybe"))
    inputs = frozenset(identity(t) for group in operands for t in group)
    state.add((thing, "#inputs"), inputs - {thing})
    state.add((thing, "#after"), descendants.passed_through(state, inputs))
    state.set((thing, "#earlier"), state.get((thing, "#earlier"), frozenset()) - inputs)


def overwrite_arrays(state: State, thing: Thing) -> None:
    """Mark the arrays that share a tensor's memory as overwritten, those of a copy as outdated."""
    for source in state.get((identity(thing), "#source"), ()):
        state.add((source, "#outdated"), frozenset((identity(thing),)))
    for other in state.get((identity(thing), "#storage"), ()):
        if other.kind != "tensor":
            state.set((other, "#overwritten"), True)
