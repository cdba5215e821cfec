"""What happens to one array: made, read, written, converted.

Facts of an array are cells: #dtype; #made, the tensors converted from it; #parts, those of its views; #cut, the
tensors whose values it holds; #storage, the tensors whose memory it shares; #overwritten, a tensor's update changed it;
#objects, its items may be objects, tensors among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import layout
from fixgrad.flow.arguments import Call
from fixgrad.flow.array_dtypes import call_dtype, is_of_objects
from fixgrad.flow.graph import Computed
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.memory import move
from fixgrad.flow.renewal import made_now, present_values
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype, identity, log, tracked
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    of_kind,
    ordered,
)
from fixgrad.knowledge import ArrayCall, dtype_class, flat, gives_row

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


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
    inputs = list(inputs)
    layout.note(m.graph, thing, effect, inputs)
    state.set((thing, "#dtype"), of_dtype)
    state.set((thing, "#made"), frozenset())
    state.set((thing, "#parts"), frozenset())
    hold(m, state, thing, effect, inputs)
    state.set((thing, "#storage"), frozenset(storage) - {thing})
    state.set((thing, "#overwritten"), False)
    state.set((thing, _OBJECTS), has_objects(state, inputs))
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
    made = new_array(
        m, f, state, place,
        of_dtype=call_dtype(state, row, inputs, call),
        inputs=inputs, storage=shared, name=name, effect=row.name,
    )  # fmt: skip
    if call is not None and is_of_objects(row, call):
        state.set((made, _OBJECTS), True)
    return made


_OBJECTS = "#objects"


def has_objects(state: State, arrays: Iterable[Thing]) -> bool:
    """Say whether one of these arrays may hold objects, or is computed of one that does."""
    return any(state.get((array, _OBJECTS)) for array in arrays)


def keep_objects(state: State, array: Thing, items: Value) -> None:
    """Note that what is written into an array of who knows what is kept as it is: a tensor, for one."""
    if dtype(state, array) == "unknown" and of_kind(items, "tensor", "opaque", "instance"):
        for thing in (array, *state.get((array, "#storage"), ())):
            state.set((thing, _OBJECTS), True)


NUMBERS = ("scalar", "reduced")  # the names of arrays that are single numbers
LISTED = (
    "listed"  # the name of what stands in `array.tolist()`: a number or a list, no array of NumPy
)
_KEEP_IT_SINGLE = ("dtype", "ddof", "initial")


def reduced(row: ArrayCall, call: Call, positional: int) -> str:
    """Return the name of what a call returns: a single number where `x.max()` gets no axis."""
    single = row.reduces and len(call.positional()) == positional
    single = single and all(a.name in ("", *_KEEP_IT_SINGLE) for a in call.arguments)
    given = call.arguments[0].value if positional and single else ()
    return NUMBERS[1] if single and all(t.kind in _NUMERIC for t in given) else ""


_NUMERIC = ("array", "list", "tuple", "number", "const")


def hold(m: Machine, state: State, thing: Thing, effect: str, inputs: Iterable[Thing]) -> None:
    """Note which tensors' values an array or a number holds, and how they got there."""
    inputs = frozenset(inputs)
    sources = sources_of(state, inputs)
    state.set((thing, "#cut"), sources)
    if sources:
        state.set((thing, "#present"), present_in(m, state, inputs))
        made_now(m, thing)
        whole = dtype_class(dtype(state, thing)) in ("integer", "bool")
        m.graph.computed[thing] = Computed(effect, inputs, whole or flat(effect))
    else:
        m.graph.computed.pop(thing, None)


def take(m: Machine, state: State, array: Thing, values: Iterable[Thing]) -> None:
    """Note that values are written into an array, and into all that shares its memory."""
    given = frozenset(t for t in values if t.kind in ("array", "number", "tensor", "opaque"))
    sources = sources_of(state, given)
    if not sources:
        return
    shared = (t for t in state.get((array, "#storage"), ()) if t.kind == "array")
    for thing in (array, *shared):
        state.add((thing, "#cut"), sources)
        state.set((thing, "#present"), present_in(m, state, (thing, *given)))
        made_now(m, thing)
        known = m.graph.computed.get(thing, Computed("[]=", frozenset()))
        m.graph.computed[thing] = known._replace(inputs=known.inputs | given - {thing}, flat=False)


def sources_of(state: State, inputs: Iterable[Thing]) -> frozenset[Thing]:
    """Return the tensors whose values these arrays hold."""
    found: set[Thing] = set()
    for thing in inputs:
        if thing.kind == "tensor":
            found.add(identity(thing))
        else:
            found |= state.get((thing, "#cut"), frozenset())
    return frozenset(found)


def present_in(m: Machine, state: State, inputs: Iterable[Thing]) -> Value:
    """Return the tensors whose values these hold, without those that were made anew since."""
    inputs = list(inputs)
    tensors = frozenset(identity(t) for t in inputs if t.kind == "tensor")
    return present_values(m, state, inputs, tensors)


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
        for tensor in ordered(state.get((array, "#parts"), frozenset())):  # of views of the array
            if state.get((identity(tensor), "#copied")):
                state.set((identity(tensor), "#stale"), True)


def array_item(
    m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op, name: str = ""
) -> Value:
    """Return `array[key]`: a view, or a copy, or a number; taken as a view. Of some arrays it may be any object."""
    read_array(m, f, state, thing, op.place)
    row = ArrayCall("numpy.ndarray.__getitem__", dtype="same", alias="view")
    if state.get((thing, ROW)) == "yes" and key and all(map(_is_index, key)):
        name = NUMBERS[0]
    name = LISTED if thing.name == LISTED else name
    made = make_array(m, f, state, op.place, row, [thing], name=name)
    return frozenset((made,)) | (UNKNOWN if has_objects(state, [thing]) else NOTHING)


ROW = "#row"  # "yes" of an array that is known to have one dimension


def is_row(state: State, call: Call, name: str) -> bool:
    """Say whether a call of numpy makes an array of one dimension, as what it is given shows."""
    plain, form = call.positional(), gives_row(name)
    if form is None or not plain or any(a.name in ("*", "**", "ndmin") for a in call.arguments):
        return False
    first = plain[0].value
    if form == "numbers":
        return all(_is_plain(t) for a in plain for t in a.value)
    if form != "list":
        return all(map(_is_index, first)) and (form == "size" or len(plain) == 1)
    listed = of_kind(first, "list", "tuple")
    items = [t for thing in listed for t in state.get((thing, "[*]"), ())]
    return len(listed) == len(first) and bool(items) and all(map(_is_plain, items))


def _is_plain(thing: Thing) -> bool:
    return thing.kind == "number" or (thing.kind == "const" and isinstance(thing.data, int | float))


def _is_index(thing: Thing) -> bool:
    """Say whether a key is one whole number."""
    if thing.kind == "const":
        return isinstance(thing.data, int) and not isinstance(thing.data, bool)
    return thing.kind == "number" and thing.data is int


def arrays_in(state: State, value: Value) -> list[Thing]:
    """Return the arrays of a value, and of the lists in it."""
    found = of_kind(value, "array")
    for thing in of_kind(value, "list", "tuple"):
        found += of_kind(state.get((thing, "[*]"), frozenset()), "array")
    return found
