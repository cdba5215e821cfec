"""Where tensors come from outside data: conversions, factories, nn.Parameter.

Facts of a converted tensor: #born "array" (NumPy by flow), "literal" (Python numbers), "unknown",
"tensor" (made of a tensor) or "size"; #copied after a plan made it a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import layout
from fixgrad.flow.arguments import Call
from fixgrad.flow.array_dtypes import literal_dtype, named_dtype
from fixgrad.flow.arrays import present_in, read_array, sources_of
from fixgrad.flow.gradients import consume
from fixgrad.flow.graph import Computed
from fixgrad.flow.scalars import bring_values, numbers_in
from fixgrad.flow.sharing import grant
from fixgrad.flow.state import State
from fixgrad.flow.tensors import cut_from, dtype, identity, joint_dtype, leaf, log, make, tracked
from fixgrad.flow.values import (
    DEFAULT_FALSE,
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    known,
    of_kind,
)
from fixgrad.knowledge import Conversion, Factory, conversion, factory_method

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_NO_ARRAYS = ("tensor", "const", "number", "list", "tuple", "dict")
_DATA_NAMES = ("data", "obj", "buffer", "array", "ext_tensor")


def convert(m: Machine, f: Frame, state: State, call: Call, row: Conversion) -> Value:
    """Execute a conversion."""
    data = call.get(0, None) or next((a for a in call.arguments if a.name in _DATA_NAMES), None)
    value = consume(m, f, state, data.value, data.place) if data is not None else NOTHING
    if row.only_arrays and (no_arrays := of_kind(value, *_NO_ARRAYS)):
        value -= {*no_arrays}  # at these it stops, which the program may count on
        m.graph.choosy.add(Site(f.module.path, call.place))
        if not value:
            return NOTHING
    tensors = _tensors_in(state, value)
    if row.name.endswith("Variable"):
        return _variable(m, f, state, call, row, value)
    if tensors and row.name in ("torch.as_tensor", "torch.asarray") and of_kind(value, "tensor"):
        m.graph.passing.add(Site(f.module.path, call.place))
        things = frozenset(of_kind(value, "tensor"))
        return m.send(m, f, state, call.rest(), things, "to") if call.rest().arguments else things
    if row.name.endswith("from_dlpack") and data is not None:
        for tensor in of_kind(value, "tensor"):
            log(m, f, state, "export", tensor, data.place, detail=row.name)
    born, arrays = _born(state, value, row, call)
    for array in arrays:
        read_array(m, f, state, array, call.place)
    thing = make(
        m, f, state, call.place, row.name,
        of_dtype=_dtype(state, call, row, value, arrays),
        storage=_storage(state, row, arrays, call),
    )  # fmt: skip
    layout.note_converted(m.graph, thing, of_kind(value, "array"))
    m.graph.born[thing] = born
    m.graph.from_data.add(thing)
    if any(t.name == "scalar" for t in arrays):
        m.graph.of_numbers.add(thing)
    if not call.direct and thing.site is not None:
        (m.graph.renamed if call.written else m.graph.indirect).add(thing.site)
    if call.receiver is not None and thing.site is not None:
        m.graph.receivers[thing.site] = call.receiver
    given = [*arrays, *numbers_in(state, value)]
    back = sources_of(state, given)
    cut_from(m, thing, {*back, *tensors})
    if back or tensors:
        state.set((thing, "#present"), present_in(m, state, [*given, *tensors]) - {thing})
    if back:
        m.graph.computed[thing] = Computed(row.name, frozenset(given))
        log(m, f, state, "returned", thing, call.place, detail=row.name)
    for array in arrays:
        state.add((array, "#made"), frozenset((thing,)))
        for whole in of_kind(state.get((array, "#storage"), ()), "array"):
            state.add((whole, "#parts"), frozenset((thing,)))
    tracked_ones = [t for t in tensors if tracked(state, t) != "no"]
    if tracked_ones:
        log(m, f, state, "rewrap", thing, call.place, detail=row.name, others=tracked_ones)
    _keyword(m, f, state, call, row, thing)
    m.graph.placed.update((thing,) if call.keyword("device") else ())
    return frozenset((thing,))


def new_like(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    """Execute a method of a tensor that makes another one like it, of data or of a size: `x.new_tensor(a)`."""
    row = conversion(f"torch.Tensor.{name}")
    if row is not None:
        written = call._replace(receiver=None, direct=call.receiver is not None)
        return convert(m, f, state, written, row._replace(dtype=dtype(state, thing)))
    factory = factory_method(name)
    if factory is not None:
        same = factory._replace(dtype=dtype(state, thing))
        return spread_requires_grad(m, f, state, call, same)
    return NOTHING


def _born(state: State, value: Value, row: Conversion, call: Call) -> tuple[str, list[Thing]]:
    """Say what a conversion is given, and return the arrays in it."""
    arrays = of_kind(value, "array")
    listed = of_kind(value, "list", "tuple")
    for thing in listed:
        arrays += _arrays_listed(state, thing)
    if _tensors_in(state, value):
        return "tensor", arrays
    if arrays:
        return "array", arrays
    if row.only_arrays:
        return "array", [t for t in of_kind(value, "opaque") if t.name != "unknown"]
    legacy = row.dtype != "array" and not row.dtype_keyword
    numbers = bool(value) and all(t.kind in ("const", "number") for t in value)
    if numbers or not value:
        return ("size", []) if legacy else ("literal", [])
    if listed:
        inner = frozenset(t for thing in listed for t in state.get((thing, "[*]"), NOTHING))
        plain = all(t.kind in ("const", "number", "list", "tuple") for t in inner)
        return ("literal" if plain and inner else "unknown"), []
    if legacy and len(call.positional()) != 1:
        return "size", []
    return "unknown", [t for t in of_kind(value, "opaque") if t.name != "unknown"]


def _arrays_listed(state: State, thing: Thing, depth: int = 0) -> list[Thing]:
    inner = state.get((thing, "[*]"), NOTHING)
    found = of_kind(inner, "array")
    if depth < 4:
        for other in of_kind(inner, "list", "tuple"):
            found += _arrays_listed(state, other, depth + 1)
    return found


def _tensors_in(state: State, value: Value) -> list[Thing]:
    found = of_kind(value, "tensor")
    for thing in of_kind(value, "list", "tuple"):
        found += of_kind(state.get((thing, "[*]"), NOTHING), "tensor")
    return found


def _dtype(state: State, call: Call, row: Conversion, value: Value, arrays: list[Thing]) -> str:
    given = call.perhaps(None, "dtype")
    if given is not None and row.dtype_keyword:
        return named_dtype(given)
    if row.dtype != "array":
        return row.dtype
    name = literal_dtype(state, value)
    if of_kind(value, "list", "tuple", "const", "number") and not arrays and name == "float64":
        return "float32"
    return name


def _storage(state: State, row: Conversion, arrays: list[Thing], call: Call) -> set[Thing]:
    if row.shares == "never":
        return set()
    target = row.dtype
    given = call.perhaps(None, "dtype")
    if given is not None and row.dtype_keyword:
        target = named_dtype(given)
    fixed = target not in ("array", "unknown")
    copies = {t for t in arrays if fixed and dtype(state, t) not in ("unknown", target)}
    shared: set[Thing] = set()
    for array in arrays:
        if array not in copies:
            shared |= {array, *state.get((array, "#storage"), ())}
    return shared


def _keyword(m: Machine, f: Frame, state: State, call: Call, row: Conversion, thing: Thing) -> None:
    """Apply `requires_grad=` of a conversion; most do not take it."""
    second = 1 if row.name.endswith("Variable") else None
    flag = call.perhaps(second, "requires_grad")
    if flag is None or (flag is UNKNOWN and not row.keyword):
        return
    sure, on = known(flag)
    site = Site(f.module.path, call.place)
    planned = any(o.kind == "callee" for o in f.overlay.get(call.place, ()))
    if not row.keyword and not planned:
        m.graph.flags.setdefault(site, set()).add("on" if sure and on else "off")
        if sure and not on and flag != DEFAULT_FALSE:
            m.graph.refused.add(thing)
        log(m, f, state, "bad-keyword", thing, call.place, detail=row.name)
    elif sure:
        grant(m, f, state, thing, call.place, on=bool(on), strong=True, form="keyword")
        if flag == DEFAULT_FALSE:
            m.graph.switched.add(site)
        elif not on:
            m.graph.refused.add(thing)
    else:
        state.set((thing, "#tracked"), "maybe")


def _variable(
    m: Machine, f: Frame, state: State, call: Call, row: Conversion, value: Value
) -> Value:
    """Execute `Variable(t)`: a new tensor on the same storage, detached."""
    tensors = of_kind(value, "tensor")
    if not tensors:
        return m.unknown(m, f, state, call, [], row.name)
    base = identity(tensors[0])
    thing = make(
        m, f, state, call.place, row.name, of_dtype=joint_dtype(state, tensors),
        storage={base, *state.get((base, "#storage"), ())},
    )  # fmt: skip
    cut_from(m, thing, tensors)
    computed = [t for t in tensors if tracked(state, t) != "no" and leaf(state, t) != "yes"]
    if computed:
        log(m, f, state, "rewrap", thing, call.place, detail=row.name, others=computed)
    layout.note_converted(m.graph, thing, tensors)
    m.graph.born[thing] = "wrapped"
    if call.may_turn_on("volatile"):
        m.graph.refused.add(thing)
    _keyword(m, f, state, call, row, thing)
    return frozenset((thing,))


def make_parameter(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Execute `nn.Parameter(t)`."""
    data = call.get(0, "data")
    tensors = of_kind(data.value, "tensor") if data is not None else []
    shared: set[Thing] = set()
    for tensor in tensors:
        shared |= {identity(tensor), *state.get((identity(tensor), "#storage"), ())}
    thing = make(
        m, f, state, call.place, "torch.nn.Parameter",
        of_dtype=joint_dtype(state, tensors), storage=shared,
    )  # fmt: skip
    cut_from(m, thing, tensors)
    flag = call.get(1, "requires_grad")
    sure, on = known(flag.value) if flag is not None else (True, True)
    state.set((thing, "#tracked"), ("yes" if on else "no") if sure else "maybe")
    return frozenset((thing,))


def spread_requires_grad(m: Machine, f: Frame, state: State, call: Call, row: Factory) -> Value:
    """Execute a factory: a native tensor, tracked where its keyword says so."""
    for argument in call.arguments:
        consume(m, f, state, argument.value, argument.place)
    given = call.perhaps(None, "dtype")
    first = call.get(0, None)
    of_dtype = row.dtype if row.dtype not in ("data", "same") else "unknown"
    if row.dtype == "same" and first is not None:
        of_dtype = joint_dtype(state, first.value)
    thing = make(
        m, f, state, call.place, "factory",
        of_dtype=named_dtype(given) if given is not None else of_dtype,
    )  # fmt: skip
    bring_values(m, state, thing, (a.value for a in call.arguments))
    flag = call.perhaps(None, "requires_grad")
    if flag is not None:
        sure, on = known(flag)
        if sure:
            grant(m, f, state, thing, call.place, on=bool(on), strong=True, form="keyword")
        else:
            state.set((thing, "#tracked"), "maybe")
        if row.name.startswith("torch.signal.windows.") and on:
            state.set((thing, "#tracked"), "maybe")  # it computes with a tracked tensor of its own
            state.set((thing, "#leaf"), "maybe")
    return frozenset((thing,))
