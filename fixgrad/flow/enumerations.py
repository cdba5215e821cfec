"""Classes of Python's `enum`: their members, what these are called and hold, and how they are asked for.

A member is a constant. One of a plain `Enum` equals nothing but itself; one of `str, Enum` or `IntEnum` is the text
or number that it also is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.classes import external_bases, linear_bases, lookup_class
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NOTHING,
    TEXT,
    UNKNOWN,
    Member,
    Thing,
    Value,
    constant,
    known,
    ordered,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_PLAIN = ("enum.Enum",)
_MIXED = ("enum.IntEnum", "enum.StrEnum", "builtins.int", "builtins.str", "builtins.float")
_NO_MEMBERS = ("function", "wrapped", "class", "instance")  # methods, properties, descriptors


def is_enumeration(cls: Thing) -> bool:
    """Say whether the members of a class are known: flags, which are put together, are not."""
    bases = external_bases(cls) if cls.data.bases else ()
    return any(b in (*_PLAIN, "enum.IntEnum", "enum.StrEnum") for b in bases)


def member(m: Machine, state: State, cls: Thing, name: str, held: Value) -> Value:
    """Return what an attribute of a class is: of an enumeration the member, else what the class holds."""
    if name.startswith("_") or any(t.kind in _NO_MEMBERS for t in held) or not is_enumeration(cls):
        return held
    owner = lookup_class(state, cls, name)[1]
    if any(b in _MIXED for b in external_bases(cls)):
        return held
    first = next((n for n in _names(state, owner) if state.get((owner, n)) == held), name)
    name = first if known(held)[0] else name  # a second name of the same value is the same member
    data = Member(owner, name)
    return frozenset((m.thing("const", owner.site, owner.path, f"member {name}", data),))


def members(m: Machine, state: State, cls: Thing) -> list[tuple[str, Value]] | None:
    """Return the names and members of an enumeration in the order written, None of any other class."""
    if cls.kind != "class" or not is_enumeration(cls):
        return None
    found: dict[Value, str] = {}
    for owner in reversed(linear_bases(cls)):
        for name in _names(state, owner):
            found.setdefault(member(m, state, cls, name, state.get((owner, name))), name)
    return [(name, value) for value, name in found.items()]


def _names(state: State, cls: Thing) -> list[str]:
    written = dict.fromkeys(op.target for op in cls.data.function.body if op.kind == "store")
    held = ((name, state.get((cls, name), NOTHING)) for name in written if name[0] != "_")
    return [name for name, v in held if v and not any(t.kind in _NO_MEMBERS for t in v)]


def of_value(m: Machine, state: State, cls: Thing, given: Value) -> Value:
    """Return the member that has a value, or is it already: `Color("red")`."""
    every = members(m, state, cls) or []
    sure, wanted = known(given)
    for _, value in every if sure else ():
        if value == given or known(value_of(state, value)) == (True, wanted):
            return value
    return UNKNOWN


def value_of(state: State, of: Value) -> Value:
    """Return what members have as their `.value`."""
    return union(
        frozenset(state.get((t.data.cls, t.data.name), NOTHING))
        if isinstance(t.data, Member)
        else frozenset((t,))
        for t in ordered(of)
    )


def attribute(m: Machine, state: State, thing: Thing, name: str) -> Value:
    """Return what a constant that is a member is called and holds; of other attributes nothing."""
    plain = isinstance(thing.data, Member)
    if name in ("value", "_value_") and (plain or isinstance(thing.data, str | int | float)):
        return value_of(state, frozenset((thing,)))
    if name in ("name", "_name_"):
        return constant(thing.data.name) if plain else TEXT
    return NOTHING


def class_of(owner: Thing) -> Thing:
    """Return the class of an instance or of a member, and a class itself."""
    cls: Thing = owner
    if owner.kind == "instance":
        cls = owner.data
    elif isinstance(owner.data, Member):
        cls = owner.data.cls
    return cls


def as_dict(m: Machine, f: Frame, state: State, cls: Thing, place: Place) -> Value:
    """Return the members of an enumeration by name: `Color.__members__`."""
    made = containers.make(m, f, state, place, "dict", [], name="members")
    for name, value in members(m, state, cls) or ():
        containers.set_item(state, made, constant(name), value, True)
    return frozenset((made,))


def listed(m: Machine, f: Frame, state: State, cls: Thing, place: Place) -> Thing | None:
    """Return the members of an enumeration as a list, None of any other class."""
    every = members(m, state, cls)
    if every is None:
        return None
    return containers.make(m, f, state, place, "tuple", [v for _, v in every], name=cls.name)
