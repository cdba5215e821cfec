"""Attributes by names that are computed: `obj.__dict__`, `vars(obj)`, `setattr(obj, f"w{i}", x)`.

Cells: #owner of a dict, the instances whose attributes it is; "*" of an instance, what stands under a name
that nobody knows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fixgrad.flow import containers, texts
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.classes import linear_bases
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, UNKNOWN, Thing, Value, constant, of_kind, ordered, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def namespace(m: Machine, f: Frame, state: State, instances: list[Thing], place: Place) -> Value:
    """Return the attributes of instances as a dict: `vars(self)`."""
    made = containers.make(m, f, state, place, "dict", [], name="namespace")
    state.set((made, "#owner"), frozenset())
    for instance in instances:
        for field in sorted(state.get((instance, "#fields"), frozenset())):
            value = frozenset(state.get((instance, field), NOTHING))
            containers.set_item(state, made, constant(field), value, len(instances) == 1)
        computed_ones = state.get((instance, "*"))
        if computed_ones:
            containers.set_item(state, made, UNKNOWN, frozenset(computed_ones), False)
    state.set((made, "#owner"), frozenset(instances))
    return frozenset((made,))


def is_record(thing: Thing) -> bool:
    """Say whether a thing is a namespace or a named tuple, whose fields are known."""
    return thing.kind == "opaque" and thing.name.startswith("record ")


VARIABLES = "variables"  # a dict of these: `globals()`, `locals()`


def variables(m: Machine, f: Frame, state: State, owner: Thing, place: Place) -> Value:
    """Return the variables of a file or a function as a dict, of which only what is asked by name is known."""
    made = containers.make(m, f, state, place, "dict", None, UNKNOWN, VARIABLES)
    state.set((made, "#owner"), frozenset((owner,)))
    return frozenset((made,))


def set_computed(m: Machine, state: State, owner: Value, key: Value, new: Value) -> None:
    """Write an attribute whose name is not known: any one that may be meant holds this from now on, or not."""
    for thing in of_kind(owner, "instance"):
        for field in _fields_meant(state, thing, key):
            state.add((thing, field), new)
        state.add((thing, "*"), new)
    m.conditions.hand_out(owner, m.executed)


def call_setters(
    m: Machine, f: Frame, state: State, call: Call, owner: Value, key: Value, new: Value
) -> None:
    """Let each property that a name which is not known may mean be set, or not."""
    for thing in of_kind(owner, "instance"):
        for cls in linear_bases(thing.data):
            for name in _fields_meant(state, cls, key):
                for member in of_kind(state.get((cls, name), NOTHING), "wrapped"):
                    setter = state.get((member, "#setter"))
                    given = (Argument(frozenset((thing,)), call.place), Argument(new, call.place))
                    if setter:
                        once = partial(_set, m, f, Call(call.place, given), setter)
                        m.branch(f, state, [lambda s: None, once])


def _set(m: Machine, f: Frame, call: Call, setter: Value, state: State) -> None:
    m.apply(m, f, state, call, setter)


def _fields_meant(state: State, thing: Thing, key: Value) -> list[str]:
    """Return the attributes there are that a key which is not known, or known in part, may name; no key: none."""
    fields = sorted(state.get((thing, "#fields"), frozenset()))
    if all(t.kind == "const" for t in key):
        names = {t.data for t in key}
        return [field for field in fields if field in names]
    ends = texts.ends_of(key)
    return [field for field in fields if ends is None or texts.fits(ends, field)]


def computed(m: Machine, state: State, thing: Thing) -> Value:
    """Return what an attribute may be that was written under a computed name: any one of these."""
    found = frozenset(state.get((thing, "*"), NOTHING))
    m.graph.take_some([identity(t) for t in of_kind(found, "tensor")])
    return found


def any_field(m: Machine, state: State, value: Value, key: Value) -> Value:
    """Return what an attribute of a name that is not known, or in part, may be."""
    owners = of_kind(value, "instance")
    m.graph.read_by_name.update(t.data for t in owners)
    ends = texts.ends_of(key)
    fields = [(t, n) for t in owners for n in state.get((t, "#fields"), frozenset())]
    fitting = [state.get(c, NOTHING) for c in fields if ends and texts.fits(ends, c[1])]
    if any(fitting) and len(owners) == len(value):
        return union(fitting) | union(state.get((t, "*"), NOTHING) for t in owners)
    computed_ones = [frozenset(state.get((t, "*"), NOTHING)) for t in owners]
    if owners and all(computed_ones) and len(owners) == len(value):
        return union(computed_ones)  # written under computed names, read under them
    tensors = {identity(t) for cell in fields for t in of_kind(state.get(cell, NOTHING), "tensor")}
    if len(tensors) > 1:
        m.graph.take_some(ordered(tensors))
    return union(state.get(cell, NOTHING) for cell in fields) | UNKNOWN
