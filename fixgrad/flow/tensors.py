"""What happens to one tensor: made, derived, viewed, granted, written, differentiated, exported.

The facts of a tensor are cells: #tracked and #leaf ("yes", "no", "maybe"), #dtype, #inputs (what it was
computed from), #cut (what it was computed from without a gradient), #storage (arrays and tensors whose
memory it shares), #gradient, #freed, #stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.graph import Made
from fixgrad.flow.ir import Place
from fixgrad.flow.state import MODE, State
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing, ordered
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
) -> None:
    """Record a use of a tensor or array; the last visit of a loop's body counts."""
    if m.expecting_failure:
        return
    site = Site(f.module.path, place)
    use = Use(
        kind, thing, site, Site(f.module.path, f.statement), f.path,
        tracked(state, thing), leaf(state, thing), dtype(state, thing),
        fact(state, thing, "#gradient", "none"), str(state.get(MODE, "on")), detail,
        tuple(ordered(set(others))), not m.alternatives, fact(state, thing, "#retained", "no") == "yes",
    )  # fmt: skip
    m.graph.uses[kind, site, f.path, identity(thing), detail] = use


_FRESH: tuple[tuple[str, object], ...] = (
    ("#cut", frozenset()), ("#storage", frozenset()), ("#gradient", "none"), ("#retained", "no"),
    ("#freed", frozenset()), ("#perhaps", frozenset()), ("#stale", False), ("#manual", False),
    ("#guarded", False), ("#consumers", frozenset()), ("#spoiled", "no"), ("#saves", "no"),
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
    if state.get((thing, "#dtype")) is not None:
        # An earlier turn of a loop made it too: what was computed from that one is still around.
        inputs += ordered(state.get((thing, "#inputs"), ())) if m.loops else []
        for field, nothing in _FRESH:
            state.set((thing, field), nothing)
    state.set((thing, "#dtype"), of_dtype)
    state.set((thing, "#tracked"), is_tracked)
    state.set((thing, "#leaf"), {"no": "yes", "yes": "no"}.get(is_tracked, "maybe"))
    state.set((thing, "#inputs"), frozenset(inputs) - {thing})
    if storage:
        state.set((thing, "#storage"), frozenset(storage) - {thing})
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
    result_dtype = of_dtype or _result_dtype(state, row, inputs)
    carried = (grad or row.grad) in CARRIES and dtype_class(result_dtype) not in ("integer", "bool")
    is_tracked = recorded(state, inputs, operands) if carried else "no"
    maybe_same = row.alias == "maybe-self" and bool(inputs) and inputs[0].kind == "tensor"
    if maybe_same and tracked(state, inputs[0]) not in ("no", is_tracked):
        is_tracked = "maybe"  # under no_grad the tracked tensor itself may come out
    shared = _shared(state, inputs[0]) if inputs and row.alias in _SHARING else set()
    thing = make(
        m, f, state, place, name, is_tracked=is_tracked, of_dtype=result_dtype,
        inputs=(identity(t) for t in inputs) if carried else (), storage=shared,
        effect=row.name, alias=row.alias,
    )  # fmt: skip
    if not carried:
        cut_from(m, state, thing, inputs)
    if maybe_same:
        _perhaps_the_same(state, thing, identity(inputs[0]))
    if row.saves:
        state.set((thing, "#saves"), "yes")
    if is_tracked != "no":
        _enter_graph(state, thing, inputs, row.saves)
    return thing


def _enter_graph(state: State, thing: Thing, inputs: list[Thing], saves: bool) -> None:
    """Note that autograd needs the inputs until a backward pass."""
    for source in inputs:
        me = identity(source)
        if me is not thing:
            state.set((me, "#pending"), True)
        if saves:
            state.add((me, "#consumers"), frozenset((thing,)))


_SHARING = ("view", "maybe-view", "maybe-self")


def _shared(state: State, base: Thing) -> set[Thing]:
    me = identity(base)
    return {me, *state.get((me, "#storage"), ())}


def _perhaps_the_same(state: State, thing: Thing, base: Thing) -> None:
    state.add((thing, "#perhaps"), frozenset((base,)))
    state.add((base, "#perhaps"), frozenset((thing,)))
    if leaf(state, base) == "yes" and tracked(state, base) != "no":
        state.set((thing, "#leaf"), "maybe")


def cut_from(m: Machine, state: State, thing: Thing, inputs: Iterable[Thing]) -> None:
    """Note that a tensor holds the values of others without their gradient."""
    sources = {identity(t) for t in inputs} - {thing}
    state.set((thing, "#cut"), frozenset(sources))
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


def _result_dtype(state: State, row: TensorOp, inputs: list[Thing]) -> str:
    tensors = [t for t in inputs if t.kind == "tensor"]
    if row.dtype in ("same", "float", "promote") and tensors:
        names = {dtype(state, t) for t in tensors}
        if len({dtype_class(name) for name in names}) > 1:
            return "unknown"
        if len(names) > 1 and row.dtype != "promote":
            return dtype(state, tensors[0])
        name = names.pop() if len(names) == 1 else "unknown"
        whole = dtype_class(name) in ("integer", "bool")
        if len(tensors) < len(inputs) and whole:
            return "unknown"
        return "float32" if whole and row.dtype == "float" else name
    return row.dtype if dtype_class(row.dtype) != "unknown" else "unknown"


def _any_one(state: State, group: list[Thing]) -> str:
    found = {tracked(state, t) for t in group}
    return found.pop() if len(found) == 1 else "maybe"


def use_values(m: Machine, f: Frame, state: State, inputs: Iterable[Thing], place: Place) -> None:
    """Note that an operation takes the values of tensors."""
    for thing in inputs:
        if thing.kind == "tensor" and state.get((identity(thing), "#stale")):
            log(m, f, state, "stale", thing, place)


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
    if not on and me.name.startswith(("parameter of", "torch.nn.Parameter")):
        state.set((me, "#tracked"), "maybe")  # conservative: it stands for several parameters
        return
    if not on:
        state.set((me, "#tracked"), "no") if strong else state.add((me, "#tracked"), "no")
        return
    log(m, f, state, "granted", thing, place, detail=form)
    strong = strong and me not in m.graph.several
    if tracked(state, me) == "yes":
        return
    kind = dtype_class(dtype(state, me))
    if kind in ("integer", "bool"):
        return
    state.set((me, "#tracked"), "yes" if strong else "maybe")
    for base in ordered(state.get((me, "#perhaps"), ())):
        if tracked(state, base) == "no":
            state.set((base, "#tracked"), "maybe")


def write_in_place(
    m: Machine, f: Frame, state: State, thing: Thing, inputs: list[Thing], place: Place, detail: str
) -> None:
    """Change a tensor in place: what is written flows into it and into whatever shares its memory."""
    me = identity(thing)
    for consumer in state.get((me, "#consumers"), ()):
        state.set((consumer, "#spoiled"), "yes")
    state.set((me, "#consumers"), frozenset())
    if state.get(MODE, "on") in ("on", "maybe"):
        log(m, f, state, "inplace", _leaf_viewed(m, state, me), place, detail=detail)
        if recorded(state, [me, *inputs]) != "no":
            views = [t for t in m.graph.sharing.get(me, []) if t.kind == "tensor"]
            _become_derived(state, me, inputs)
            for view in views:
                if tracked(state, view) == "no" and me in state.get((view, "#storage"), ()):
                    _become_derived(state, view, inputs)
        m.graph.carried.setdefault(me, set()).update({identity(t) for t in inputs} - {me})
    overwrite_arrays(state, me)


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


def _become_derived(state: State, me: Thing, inputs: list[Thing]) -> None:
    sharing = [t for t in state.get((me, "#storage"), ()) if t.kind == "tensor"]
    for thing in [me, *sharing]:
        if tracked(state, thing) == "yes" and leaf(state, thing) == "yes":
            continue  # raises: a leaf that requires grad
        state.set((thing, "#tracked"), recorded(state, [thing, *inputs]))
        state.set((thing, "#leaf"), {"yes": "no"}.get(tracked(state, thing), "maybe"))
        sources = frozenset(identity(t) for t in inputs) - {thing}
        state.add((thing, "#inputs"), sources)


def overwrite_arrays(state: State, thing: Thing) -> None:
    """Mark the arrays that share a tensor's memory as overwritten, those of a copy as outdated."""
    for source in state.get((identity(thing), "#source"), ()):
        state.add((source, "#outdated"), frozenset((identity(thing),)))
    for other in state.get((identity(thing), "#storage"), ()):
        if other.kind != "tensor":
            state.set((other, "#overwritten"), True)
