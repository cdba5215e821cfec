"""What happens to one array: made, read, written, converted.

Facts of an array are cells: #dtype; #made, the tensors converted from it; #cut, the tensors whose values
it holds; #storage, the tensors whose memory it shares; #overwritten, a tensor's update changed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Call
from fixgrad.flow.graph import Computed
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.memory import move
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype, identity, log, tracked
from fixgrad.flow.values import (
    Site,
    Thing,
    Value,
    known,
    of_kind,
    ordered,
)
from fixgrad.knowledge import ArrayCall, dtype_class, dtype_of, flat

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_WIDTH = {
    "bool": 0, "uint8": 1, "int8": 1, "int16": 2, "int32": 3, "int64": 4, "float16": 5,
    "float32": 6, "float64": 7, "complex64": 8, "complex128": 9,
}  # fmt: skip


def new_array(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    *,
    of_dtype: str = "unknown",
    inputs: Iterable[Thing] = (),
    storage: Iterable[Thing] = (),
    name: str = "",
    effect: str = "",
) -> Thing:
    """Make the array of an expression, forgetting what an earlier turn of a loop made there."""
    thing = m.thing("array", Site(f.module.path, place), f.path, name)
    state.set((thing, "#dtype"), of_dtype)
    state.set((thing, "#made"), frozenset())
    hold(m, state, thing, effect, inputs)
    state.set((thing, "#storage"), frozenset(storage) - {thing})
    state.set((thing, "#overwritten"), False)
    return thing


def make_array(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    row: ArrayCall,
    inputs: list[Thing],
    call: Call | None = None,
    name: str = "",
) -> Thing:
    """Make the array that a call returns, as its row says."""
    shared: set[Thing] = set()
    if row.alias in ("view", "self", "maybe-self", "maybe-view") and inputs:
        shared = {inputs[0], *state.get((inputs[0], "#storage"), ())}
    return new_array(
        m, f, state, place,
        of_dtype=call_dtype(state, row, inputs, call),
        inputs=inputs, storage=shared, name=name, effect=row.name,
    )  # fmt: skip


def hold(m: Machine, state: State, thing: Thing, effect: str, inputs: Iterable[Thing]) -> None:
    """Note which tensors' values an array or a number holds, and how they got there."""
    inputs = frozenset(inputs)
    sources = sources_of(state, inputs)
    state.set((thing, "#cut"), sources)
    if sources:
        whole = dtype_class(dtype(state, thing)) in ("integer", "bool")
        m.graph.computed[thing] = Computed(effect, inputs, whole or flat(effect))
    else:
        m.graph.computed.pop(thing, None)


def sources_of(state: State, inputs: Iterable[Thing]) -> frozenset[Thing]:
    """Return the tensors whose values these arrays hold."""
    found: set[Thing] = set()
    for thing in inputs:
        if thing.kind == "tensor":
            found.add(identity(thing))
        else:
            found |= state.get((thing, "#cut"), frozenset())
    return frozenset(found)


_DTYPE_POSITION = {
    "array": 1, "asarray": 1, "zeros": 1, "ones": 1, "empty": 1, "asanyarray": 1, "full": 2,
    "ascontiguousarray": 1, "identity": 1,
}  # fmt: skip


def call_dtype(state: State, row: ArrayCall, inputs: list[Thing], call: Call | None) -> str:
    """Return the dtype of the array that a call makes."""
    if call is not None:
        given = call.keyword("dtype")
        if given is not None:
            return named_dtype(given)
        position = _DTYPE_POSITION.get(row.name.rpartition(".")[2])
        second = call.get(position, None) if position is not None else None
        if second is not None and named_dtype(second.value) != "unknown":
            return named_dtype(second.value)
    rule = row.dtype
    if rule == "argument" and call is not None:
        first = call.get(0, None)
        return named_dtype(first.value) if first is not None else "unknown"
    if rule.startswith("keyword-or:"):
        return rule.partition(":")[2]
    if rule == "data" and call is not None:
        first = call.get(1 if row.name.endswith(".full") else 0, None)
        return literal_dtype(state, first.value) if first is not None else "unknown"
    if rule in ("same", "float", "promote") and inputs:
        name = dtype(state, inputs[0]) if rule != "promote" else promoted(state, inputs)
        whole = dtype_class(name) in ("integer", "bool")
        return "float64" if rule == "float" and whole else name
    return rule if dtype_class(rule) != "unknown" else "unknown"


def named_dtype(value: Value) -> str:
    """Return the dtype that a value names: torch.float32, np.float64, float, "f4"."""
    if len(value) != 1:
        return "unknown"
    (thing,) = value
    if thing.kind == "dtype":
        return thing.name
    if thing.kind == "external":
        return dtype_of(thing.name.removeprefix("builtins.")) or "unknown"
    sure, name = known(value)
    return (dtype_of(name) or "unknown") if sure and isinstance(name, str) else "unknown"


def promoted(state: State, inputs: Iterable[Thing]) -> str:
    """Return the widest dtype of some arrays."""
    names = {dtype(state, t) for t in inputs}
    if not names or not names <= _WIDTH.keys():
        return "unknown"
    widest = max(names, key=lambda n: _WIDTH[n])
    if widest in ("float16", "float32") and any(
        n in ("int32", "int64") or (n == "int16" and widest == "float16") for n in names
    ):
        return "float64"
    return widest


def literal_dtype(state: State, value: Value) -> str:
    """Return the NumPy dtype of a number, an array, or a list of them, nested at will."""
    found: set[str] = set()
    _collect_dtypes(state, value, found, 0)
    if found and found <= _WIDTH.keys():
        return max(found, key=lambda n: _WIDTH[n])
    return "unknown"


def _collect_dtypes(state: State, value: Value, found: set[str], depth: int) -> None:
    for thing in value:
        if thing.kind == "const":
            kinds = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
            found.add(kinds.get(type(thing.data), "unknown"))
        elif thing.kind == "array":
            found.add(dtype(state, thing))
        elif thing.kind in ("list", "tuple") and depth < 6:
            inner = state.get((thing, "[*]"), frozenset())
            if not inner and state.get((thing, "#length")) != "0":
                found.add("unknown")
            _collect_dtypes(state, frozenset(inner), found, depth + 1)
        else:
            found.add("unknown")


def read_array(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> None:
    """Note that the program looks at an array's values."""
    for tensor in ordered(state.get((thing, "#outdated"), ())):
        log(m, f, state, "outdated", tensor, place, others=[thing])
    for other in (thing, *state.get((thing, "#storage"), ())):
        if state.get((other, "#overwritten")) and other.kind != "tensor":
            log(m, f, state, "overwritten", other, place)


def write_array(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> None:
    """Change an array in place: tensors that share its memory change too, copies do not."""
    for tensor in of_kind(state.get((thing, "#storage"), ()), "tensor"):
        move(m, state, tensor, "shared")
    sharing = {thing, *(t for t in state.get((thing, "#storage"), ()) if t.kind != "tensor")}
    for array in ordered(sharing):
        for tensor in ordered(state.get((array, "#made"), frozenset())):
            me = identity(tensor)
            if array in state.get((me, "#storage"), ()):
                if state.get((me, "#pending")) and tracked(state, me) != "no":
                    log(m, f, state, "shared-write", tensor, place, others=[array])
            elif state.get((me, "#copied")):
                state.set((me, "#stale"), True)


def array_item(
    m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op, name: str = ""
) -> Thing:
    """Return `array[key]`: a view, or a copy, or a number; taken as a view."""
    read_array(m, f, state, thing, op.place)
    row = ArrayCall("numpy.ndarray.__getitem__", dtype="same", alias="view")
    return make_array(m, f, state, op.place, row, [thing], name=name)


def arrays_in(state: State, value: Value) -> list[Thing]:
    """Return the arrays of a value, and of the lists in it."""
    found = of_kind(value, "array")
    for thing in of_kind(value, "list", "tuple"):
        found += of_kind(state.get((thing, "[*]"), frozenset()), "array")
    return found
