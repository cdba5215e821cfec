"""Construction of the project's classes and records, and calls of their instances."""

from __future__ import annotations

from fixgrad.flow import access
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NOTHING,
    Site,
    Thing,
    Value,
    of_kind,
)


def instantiate(m: Machine, f: Frame, state: State, call: Call, cls: Thing) -> Value:
    """Construct an instance of a class of the project."""
    thing = m.thing("instance", Site(f.module.path, call.place), f.path, cls.name, cls)
    for field in state.get((thing, "#fields"), frozenset()):
        state.set((thing, field), NOTHING)
    state.set((thing, "#fields"), frozenset())
    found, _ = access.lookup_class(state, cls, "__init__")
    me = frozenset((thing,))
    if found:
        m.apply(m, f, state, call.with_first(Argument(me, call.place)), found)
    else:
        _fill_declared_fields(m, f, state, call, cls, me)
    return me


def _fill_declared_fields(
    m: Machine, f: Frame, state: State, call: Call, cls: Thing, me: Value
) -> None:
    """Bind the arguments of a dataclass or a NamedTuple to its fields, in the order declared."""
    declared: list[str] = []
    for base in reversed(access.linear_bases(cls)):
        names = state.get((base, "#declared"), ())
        declared += [n for n in names if n not in declared] if names != "maybe" else []
    for name in declared:
        default, _ = access.lookup_class(state, cls, name)
        for factory in of_kind(default, "factory"):
            made = m.apply(m, f, state, Call(call.place), factory.data)
            access.write_attribute(m, f, state, me, name, made, call.place)
    queue = list(declared)
    for argument in call.arguments:
        name = argument.name or (queue.pop(0) if queue else "")
        if name and name not in ("*", "**"):
            access.write_attribute(m, f, state, me, name, argument.value, call.place)
    found, _ = access.lookup_class(state, cls, "__post_init__")
    if found:
        m.apply(m, f, state, Call(call.place, (Argument(me, call.place),)), found)


def make_record(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    """Construct a named tuple or a namespace: a bag of fields."""
    made = m.thing("opaque", Site(f.module.path, call.place), f.path, f"record {thing.name}")
    names = list(thing.data)
    for argument in call.arguments:
        name = argument.name or (names.pop(0) if names else "")
        if name and name not in ("*", "**"):
            state.set((made, name), argument.value)
            state.add((made, "#fields"), frozenset((name,)))
    state.set((made, "#inputs"), frozenset())
    return frozenset((made,))


def call_instance(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    me = Argument(frozenset((thing,)), call.place)
    for name in ("__call__", "forward"):
        found, _ = access.lookup_class(state, thing.data, name)
        if found:
            return m.apply(m, f, state, call.with_first(me), found)
    return m.unknown(m, f, state, call, [thing], "")
