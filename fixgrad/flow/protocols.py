"""The special methods that the project's classes define: items, iteration, operators, contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import enumerations
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.classes import lookup_class
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, NUMBER, Thing, Value, of_kind, ordered, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_BINARY = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "@": "matmul", "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift",
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
_REFLECTED = {"==": "eq", "!=": "ne", "<": "gt", "<=": "ge", ">": "lt", ">=": "le"}
_UNARY = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}


def special(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    instance: Thing,
    name: str,
    given: tuple[Value, ...] = (),
) -> Value | None:
    """Call a special method of an instance, or return None where its class does not define it."""
    found, _ = lookup_class(state, instance.data, name)
    if not of_kind(found, "function", "wrapped"):
        return None
    arguments = (frozenset((instance,)), *given)
    call = Call(place, tuple(Argument(value, place) for value in arguments))
    return m.apply(m, f, state, call, found)


def callables(state: State, value: Value) -> list[Thing]:
    """Return what of a value unknown code can call back: functions, and instances with `__call__`."""
    return [
        thing
        for thing in of_kind(value, "function", "method", "partial", "instance")
        if thing.kind != "instance" or lookup_class(state, thing.data, "__call__")[0]
    ]


def iterated(m: Machine, f: Frame, state: State, value: Value, place: Place) -> Value:
    """Return a value with what its own `__iter__` returns, or what it wraps, in place of an instance."""
    if not any(t.kind in ("instance", "class") for t in value):
        return value
    found = [_iterated(m, f, state, thing, place) for thing in ordered(value)]
    return union(found)


def _iterated(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> Value:
    if thing.kind != "instance":
        members = enumerations.listed(m, f, state, thing, place)
        return frozenset((members or thing,))
    iterator = special(m, f, state, place, thing, "__iter__")
    result: set[Thing] = set()
    for inner in ordered(iterator if iterator is not None else frozenset((thing,))):
        if inner.kind != "instance":
            result.add(inner)
            continue
        items = state.get((inner, "#items"), NOTHING)
        one = None if items else _next_of(m, f, state, inner, place)
        if one is not None:
            made = m.thing("list", inner.site, f.path, f"iteration of {inner.number}")
            state.set((made, "[*]"), one)
            state.set((made, "#length"), "maybe")
            result.add(made)
        else:
            result |= items or {inner}
    return frozenset(result)


def _next_of(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> Value | None:
    for name, given in (("__next__", ()), ("__getitem__", (NUMBER,))):
        if not lookup_class(state, thing.data, name)[0]:
            continue
        return _perhaps(m, f, state, place, thing, name, given)
    return None


def _perhaps(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    thing: Thing,
    name: str,
    given: tuple[Value, ...],
) -> Value | None:
    """Call a method that raises in the end: what follows is reached all the same."""
    found: list[Value | None] = []

    def once(s: State) -> None:
        found.append(special(m, f, s, place, thing, name, given))

    m.branch(f, state, [lambda s: None, once])
    return found[0]


def operated(
    m: Machine, f: Frame, state: State, place: Place, operator: str, left: Value, right: Value
) -> Value | None:
    """Return what an operator defined by the project gives, or None where there is none."""
    name = _BINARY.get(operator)
    if name is not None:
        methods = [f"__{name}__", f"__{_REFLECTED.get(operator, 'r' + name)}__"]
    else:
        methods = [f"__i{_BINARY[operator[:-1]]}__"]
    for operands, method in zip(((left, right), (right, left)), methods, strict=False):
        own, other = operands
        results = [
            special(m, f, state, place, thing, method, (other,))
            for thing in of_kind(own, "instance")
        ]
        found = union(r for r in results if r is not None)
        found = frozenset(t for t in found if t.name != "builtins.NotImplemented")
        if found and len(results) == len(own):
            return found
    return None


def negated(
    m: Machine, f: Frame, state: State, place: Place, operator: str, value: Value
) -> Value | None:
    """Return what a unary operator defined by the project gives, or None where there is none."""
    name = _UNARY.get(operator)
    instances = of_kind(value, "instance")
    if name is None or len(instances) != len(value):
        return None
    results = [special(m, f, state, place, thing, name) for thing in instances]
    return union(r for r in results if r is not None) or None
