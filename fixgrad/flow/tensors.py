"""What happens to one tensor: made, derived, viewed, granted, written, differentiated, exported.

The facts of a tensor are cells: #tracked and #leaf ("yes", "no", "maybe"), #dtype, #inputs (what it was
computed from; #earlier what of these only an earlier one of its expression was), #cut (what it was
computed from without a gradient), #storage (arrays and tensors whose
memory it shares), #base (the tensor that autograd says it is a view of; #loose where it may be a copy),
#perhaps (what it may be itself), #gradient, #read (its gradient was taken), #freed, #stale;
#run the backward passes that have freed what is behind it, #after those that had done so behind what it was
computed from when it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import descendants, layout
from fixgrad.flow.arms import DATA, DETACHES, note_detached, note_export
from fixgrad.flow.conditions import cannot_be_here, note_made
from fixgrad.flow.graph import Made
from fixgrad.flow.ir import Place
from fixgrad.flow.renewal import made_now
from fixgrad.flow.state import MODE, State
from fixgrad.flow.uses import Use
from fixgrad.flow.values import NOTHING, Site, Thing, Value, ordered
from fixgrad.knowledge import TensorOp, dtype_class

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

CARRIES = ("yes", "zero", "error")


def identity(thing: Thing) -> Thing:
    """Return the thing that holds the facts: `x.float()` of a float32 tensor is x itself."""
    while thing.kind == "tensor" and isinstance(thing.data, Thing):
        thing = thing.data
    return thing


def fact(state: State, thing: Thing, field: str, default: str) -> str:
    """Return a fact of a tensor as text."""
    return str(state.get((identity(thing), field), default))


def tracked(state: State, thing: Thing) -> str:
    """Say whether autograd tracks the tensor; of what is not known, "maybe"."""
    if thing.kind == "tensor":
        return fact(state, thing, "#tracked", "maybe")
    return "maybe" if thing.kind in ("opaque", "module") else "no"


def leaf(state: State, thing: Thing) -> str:
    """Say whether the tensor is a leaf of the autograd graph."""
    return fact(state, thing, "#leaf", "maybe")


def dtype(state: State, thing: Thing) -> str:
    """Return the canonical dtype name of a tensor or an array, or "unknown"."""
    return fact(state, thing, "#dtype", "unknown")


def _is_getter_alone(m: Machine, f: Frame) -> bool:
    """Say whether nobody in sight calls the `grad` of a class of containers, which only hands on what it is asked."""
    entered = m.running[0][0].name.rpartition(".")[2] if m.running else ""
    return entered.strip("_") == "grad" and f.path[:1] != () and f.path[0] in m.graph.roots


_ASKS = ("grad", "optimizer", "inputs", "hook", "gradcheck")


def log(
    m: Machine,
    f: Frame,
    state: State,
    kind: str,
    thing: Thing,
    place: Place,
    *,
    detail: str = "",
    others: Iterable[Thing] = (),
    path: str = "",
) -> None:
    """Record a use of a tensor or array; the last visit of a loop's body counts.

    `path` says which file the place is in, where it is not the one being executed.
    """
    if m.expecting_failure or (kind == "grad" and _is_getter_alone(m, f)):
        return
    site = Site(path or f.module.path, place)
    me = identity(thing)
    if m.conditions.now and cannot_be_here(m, me):
        return
    key = (kind, site, f.path, me, detail)
    now = any(me in guard.tensors for guard in m.guards)
    weighed = now and (key not in m.graph.uses or m.graph.uses[key].weighed)
    use = Use(
        kind, thing, site, Site(f.module.path, f.statement), f.path,
        tracked(state, thing), leaf(state, thing), dtype(state, thing),
        fact(state, thing, "#gradient", "none"), str(state.get(MODE, "on")), detail,
        tuple(ordered(set(others))), not m.alternatives, fact(state, thing, "#retained", "no") == "yes",
        weighed, f.careless > 0,
    )  # fmt: skip
    m.graph.uses[key] = use
    if kind in _ASKS and fact(state, thing, "#told", "no") == "yes":
        m.graph.told.add(me)
    if kind == "export":
        note_export(m, f, site, thing)
    sorted_out = now and any(me in guard.among for guard in m.guards)
    if kind in _ASKS and sorted_out and m.graph.loops.get(me):
        m.graph.picked.add(me)
    elif kind == "grad" and not sorted_out and any(me in elements for elements in m.elements):
        if me in m.graph.dealt:
            m.graph.gone_through.setdefault(me, set()).update(*(loop.walked for loop in m.loops))
        else:
            m.graph.whole.add(me)
    if use.tracked == "no" and use.sure and m.certainly_runs():
        m.graph.first_turn.add((kind, site, f.path, identity(thing)))


_FRESH: tuple[tuple[str, object], ...] = (
    ("#storage", frozenset()), ("#gradient", "none"), ("#retained", "no"),
    ("#freed", frozenset()), ("#perhaps", frozenset()), ("#stale", False), ("#manual", False),
    ("#guarded", False), ("#spoiled", "no"), ("#saves", "no"), ("#base", frozenset()),
    ("#loose", False), ("#outgrown", False), ("#twofold", False), ("#outpaced", frozenset()),
    ("#read", False), ("#present", frozenset()), ("#told", "no"),
    ("#run", frozenset()), ("#after", frozenset()), ("#done", False),
)  # fmt: skip


def make(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    name: str,
    *,
    is_tracked: str = "no",
    of_dtype: str = "unknown",
    inputs: Iterable[Thing] = (),
    storage: Iterable[Thing] = (),
    effect: str = "",
    alias: str = "copy",
) -> Thing:
    """Make the tensor of an expression, forgetting what an earlier turn of a loop made there."""
    thing = m.thing("tensor", Site(f.module.path, place), f.path, name)
    inputs, storage = list(inputs), ordered(set(storage))
    after = descendants.passed_through(state, inputs)
    earlier: frozenset[Thing] = frozenset()
    if state.get((thing, "#dtype")) is not None:
        # An earlier turn of a loop made it too: what was computed from that one is still around.
        earlier = state.get((thing, "#inputs"), earlier) if m.loops else earlier
        for field, nothing in _FRESH:
            if (thing, field) in state.cells:
                state.set((thing, field), nothing)
        descendants.forget(m, state, thing, "#results")
        descendants.forget(m, state, thing, "#consumers")
    state.set((thing, "#dtype"), of_dtype)
    state.set((thing, "#tracked"), is_tracked)
    state.set((thing, "#leaf"), {"no": "yes", "yes": "no"}.get(is_tracked, "maybe"))
    if after:
        state.set((thing, "#after"), after)
    state.set((thing, "#earlier"), earlier - set(inputs))
    inputs += ordered(earlier)
    state.set((thing, "#inputs"), frozenset(inputs))
    if storage:
        state.set((thing, "#storage"), frozenset(storage) - {thing})
    made_now(m, thing)
    note_made(m, thing)
    made = Made(effect or name, str(state.get(MODE, "on")), of_dtype, alias)
    _remember(m, thing, made, inputs, storage)
    return thing


def _remember(
    m: Machine, thing: Thing, made: Made, inputs: list[Thing], storage: list[Thing]
) -> None:
    """Enter a tensor into the flow graph that outlives the state."""
    graph = m.graph
    graph.loops[thing] = len(m.loops)
    graph.made[thing] = made
    for other in storage:
        sharing = graph.sharing.setdefault(other, [])
        if thing not in sharing:
            sharing.append(thing)
    graph.carried.setdefault(thing, set()).update(t for t in inputs if t is not thing)
    if not graph.from_data.isdisjoint(inputs):
        graph.from_data.add(thing)
    if not graph.impure.isdisjoint(inputs):
        graph.impure.add(thing)


def derive(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    row: TensorOp,
    inputs: list[Thing],
    *,
    grad: str = "",
    of_dtype: str = "",
    name: str = "derived",
    operands: list[list[Thing]] | None = None,
) -> Thing:
    """Make the result of an operation on tensors, as its row says.

    `operands` groups the inputs: of one group the operation gets any one thing, not all.
    """
    use_values(m, f, state, inputs, place)
    result_dtype = of_dtype or _result_dtype(state, row, operands or [[t] for t in inputs])
    carried = (grad or row.grad) in CARRIES and dtype_class(result_dtype) not in ("integer", "bool")
    is_tracked = recorded(state, inputs, operands) if carried else "no"
    seen = _looked_at(row, inputs, operands)
    same = seen if row.alias == "maybe-self" else []
    if any(tracked(state, t) not in ("no", is_tracked) for t in same):
        is_tracked = "maybe"  # under no_grad the tracked tensor itself may come out
    shared = {t for source in seen for t in _shared(state, source)}
    thing = make(
        m, f, state, place, name, is_tracked=is_tracked, of_dtype=result_dtype,
        inputs=(identity(t) for t in inputs) if carried else (), storage=shared,
        effect=row.name, alias=row.alias,
    )  # fmt: skip
    layout.note(m.graph, thing, row.name, inputs)
    if not carried:
        cut_from(m, thing, inputs)
        if row.name in DETACHES and row.name != DATA and inputs:
            note_detached(m, inputs[0])
    elif seen:
        loose = row.alias != "view" or "unsafe_" in row.name
        _look_at(state, thing, [identity(t) for t in seen], loose=loose)
    for source in same:
        perhaps_the_same(state, thing, identity(source))
    if row.saves:
        state.set((thing, "#saves"), "yes")
    if is_tracked != "no":
        saved = _saved(state, row, inputs, operands)
        _enter_graph(m, state, thing, inputs, saved)
        if (grad or row.grad) == "error" and is_tracked == "yes":
            m.graph.underivable.add(thing)
        if row.keeps:
            descendants.enter(m, state, thing, "#consumers", thing)
    if m.loops and operands is not None:
        _replaced_in_a_loop(m, state, thing, operands)
    return thing


def _replaced_in_a_loop(
    m: Machine, state: State, thing: Thing, operands: list[list[Thing]]
) -> None:
    """Note tracked operands in whose place later turns have an untracked one: `w = w.clamp(0)`."""
    for group in operands:
        if len(group) > 1:
            later = {t for t in group if t.number > thing.number and tracked(state, t) != "yes"}
            for first in group if later else ():
                if first.number < thing.number and tracked(state, first) == "yes":
                    known = m.graph.replaced.setdefault(identity(first), set())
                    known.update((identity(t), thing) for t in later)


def _saved(
    state: State, row: TensorOp, inputs: list[Thing], operands: list[list[Thing]] | None
) -> Value:
    """Return the inputs whose values autograd keeps until a backward pass."""
    if not row.saves or row.forgets:
        return NOTHING
    groups = operands or [[t] for t in inputs]
    if not row.crosses or (len(groups) < 2 and len(inputs) > 1):
        return frozenset(inputs)
    needing = [any(tracked(state, t) != "no" for t in group) for group in groups]
    alone = [t for n, g in enumerate(groups) if not any(needing[:n] + needing[n + 1 :]) for t in g]
    others = [t for n, g in enumerate(groups) if any(needing[:n] + needing[n + 1 :]) for t in g]
    return frozenset(inputs) - (frozenset(alone) - frozenset(others))


def _enter_graph(m: Machine, state: State, thing: Thing, inputs: list[Thing], saved: Value) -> None:
    """Note that autograd needs the inputs until a backward pass, and the values of some."""
    for source in inputs:
        me = identity(source)
        if me is not thing:
            state.set((me, "#pending"), True)
            descendants.enter(m, state, me, "#results", thing)
        if source in saved:
            descendants.enter(m, state, me, "#consumers", thing)


_SHARING = ("view", "maybe-view", "maybe-self")


def _shared(state: State, base: Thing) -> set[Thing]:
    me = identity(base)
    return {me, *state.get((me, "#storage"), ())}


def _looked_at(
    row: TensorOp, inputs: list[Thing], operands: list[list[Thing]] | None
) -> list[Thing]:
    """Return the first operand of a view, or of what may be one, in its alternatives."""
    first = next((group for group in operands or [inputs[:1]] if group), [])
    return [t for t in first if t.kind == "tensor"] if row.alias in _SHARING else []


def _look_at(state: State, view: Thing, sources: list[Thing], *, loose: bool) -> None:
    """Note that a tensor is a view of another, to autograd too: a view of a view is one of its base."""
    none: frozenset[Thing] = frozenset()
    each = [state.get((t, "#base"), none) or frozenset((t,)) for t in sources]
    state.set((view, "#base"), none.union(*each) - {view})
    state.set((view, "#loose"), loose or any(state.get((t, "#loose")) for t in sources))


def perhaps_the_same(state: State, thing: Thing, base: Thing) -> None:
    """Note that two things may be one object: what happens to one may happen to the other."""
    for other in {base, *state.get((base, "#perhaps"), ())} - {thing}:
        state.add((thing, "#perhaps"), frozenset((other,)))
        state.add((other, "#perhaps"), frozenset((thing,)))
    if tracked(state, thing) != "no" or tracked(state, base) != "no":
        state.add((thing, "#leaf"), leaf(state, base))


def one_of(m: Machine, f: Frame, state: State, place: Place, choices: list[Thing]) -> Thing:
    """Make the tensor that is one of several, chosen by their values."""
    use_values(m, f, state, choices, place)
    each = ordered({identity(t) for t in choices})
    thing = make(
        m, f, state, place, "chosen", is_tracked=_any_one(state, each),
        of_dtype=joint_dtype(state, each), inputs=each, storage=each, alias="maybe-self",
    )  # fmt: skip
    leaves = {leaf(state, t) for t in each}
    state.set((thing, "#leaf"), leaves.pop() if len(leaves) == 1 else "maybe")
    _look_at(state, thing, each, loose=True)
    for other in each:
        perhaps_the_same(state, thing, other)
    _enter_graph(m, state, thing, each, NOTHING)
    return thing


def cut_from(m: Machine, thing: Thing, inputs: Iterable[Thing]) -> None:
    """Note that a tensor holds the values of others without their gradient."""
    sources = {identity(t) for t in inputs} - {thing}
    m.graph.cut.setdefault(thing, set()).update(sources)
    if not m.graph.from_data.isdisjoint(sources):
        m.graph.from_data.add(thing)


def recorded(
    state: State, inputs: Iterable[Thing], operands: list[list[Thing]] | None = None
) -> str:
    """Say whether autograd records an operation on these inputs: some is tracked, the mode is on."""
    mode = state.get(MODE, "on")
    if mode in ("off", "inference"):
        return "no"
    if operands is None:
        found = {tracked(state, t) for t in inputs}
    else:
        found = {_any_one(state, group) for group in operands if group}
    if "yes" in found:
        return "yes" if mode == "on" else "maybe"
    return "maybe" if "maybe" in found else "no"


def joint_dtype(state: State, things: Iterable[Thing]) -> str:
    """Return the dtype that all of some tensors have, or "unknown"."""
    names = {dtype(state, t) for t in things if t.kind == "tensor"}
    return names.pop() if len(names) == 1 else "unknown"


def _result_dtype(state: State, row: TensorOp, operands: list[list[Thing]]) -> str:
    groups = [group for group in operands if any(t.kind == "tensor" for t in group)]
    if row.dtype in ("same", "float", "promote") and groups:
        each = [joint_dtype(state, group) for group in groups]
        names = set(each)
        if len({dtype_class(name) for name in names}) > 1:
            return "unknown"
        if len(names) > 1 and row.dtype == "same":
            return each[0]
        name = names.pop() if len(names) == 1 else "unknown"
        whole = dtype_class(name) in ("integer", "bool")
        if whole and any(t.kind != "tensor" for group in operands for t in group):
            return "unknown"
        return "float32" if whole and row.dtype == "float" else name
    return row.dtype if dtype_class(row.dtype) != "unknown" else "unknown"


def _any_one(state: State, group: list[Thing]) -> str:
    found = {tracked(state, t) for t in group}
    return found.pop() if len(found) == 1 else "maybe"


def use_values(m: Machine, f: Frame, state: State, inputs: Iterable[Thing], place: Place) -> None:
    """Note that an operation takes the values of tensors."""
    for thing in inputs:
        if thing.kind != "tensor":
            continue
        if state.get((identity(thing), "#stale")):
            log(m, f, state, "stale", thing, place)
        for source in state.get((identity(thing), "#displaced"), ()):
            log(m, f, state, "displaced", source, place)
