"""The modules inside a module: `add_module`, `children()`, `named_modules()`, `self._modules`.

What a class of the project holds stands in its attributes; what a module of torch was made of, in #inner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.classes import external_bases
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NOTHING,
    TEXT,
    UNKNOWN,
    Thing,
    Value,
    constant,
    ordered,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

LISTING = ("children", "modules", "named_children", "named_modules")
_DEEP = ("modules", "named_modules")


def listed(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    """Return the modules inside a module, with their names where these are asked for."""
    inside = union([value for _, value in _held(state, thing)])
    if name in _DEEP:
        inside = _all_inside(state, thing)
    inside = inside or UNKNOWN
    if name.startswith("named"):
        pair = containers.make(m, f, state, call.place, "tuple", [TEXT, inside], name="pair")
        inside = frozenset((pair,))
    return frozenset((containers.make(m, f, state, call.place, "list", None, inside),))


def by_name(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> Value:
    """Return what `_modules` of a module of the project is: a dict of those that are known."""
    held = _held(state, thing)
    if not held:
        return UNKNOWN
    made = containers.make(m, f, state, place, "dict", [], name="namespace")
    state.set((made, "#owner"), frozenset())
    for name, value in held:
        key = constant(name) if name else UNKNOWN
        containers.set_item(state, made, key, value, bool(name))
    state.set((made, "#owner"), frozenset((thing,)))
    return frozenset((made,))


def is_module(thing: Thing) -> bool:
    """Say whether a thing is a module of torch, or of a class of the project that is one."""
    if thing.kind != "instance":
        return thing.kind == "module"
    return any(base.startswith("torch.nn.") for base in external_bases(thing.data))


_NO_PARAMETERS = ("tensor", "array", "number", "list", "tuple", "dict", "text")


def refuses(state: State, thing: Thing, name: str, new: Value) -> bool:
    """Say whether torch raises: what holds a parameter can be given another, or None, and nothing else."""
    held = state.get((thing, name), NOTHING)
    if not held or not new or not is_module(thing) or not all(map(_is_parameter, held)):
        return False
    return all(t.kind in _NO_PARAMETERS and not _is_parameter(t) for t in new)


def _is_parameter(thing: Thing) -> bool:
    return thing.kind == "tensor" and thing.name == "torch.nn.Parameter"


def _held(state: State, thing: Thing) -> list[tuple[str, Value]]:
    """Return the modules that a module holds, by name in the order of their making, "" for any name."""
    found: list[tuple[str, Value]] = []
    for field in state.get((thing, "#fields"), frozenset()):
        value = _modules_of(state.get((thing, field), NOTHING))
        if value:
            found.append((field, value))
    found.sort(key=lambda pair: (min(t.number for t in pair[1]), pair[0]))
    unnamed = _modules_of(state.get((thing, "*"), NOTHING))
    unnamed |= frozenset(state.get((thing, "#inner"), NOTHING))
    return [*found, ("", unnamed)] if unnamed else found


def _modules_of(value: Value) -> Value:
    """Return a value if it may be a module: one that is not known may be one where another is."""
    return value if any(is_module(t) for t in value) else NOTHING


def _all_inside(state: State, thing: Thing) -> Value:
    seen: dict[Thing, None] = {}
    pending = [thing]
    while pending:
        module = pending.pop()
        if module not in seen:
            seen[module] = None
            pending += [t for _, value in _held(state, module) for t in ordered(value)]
    return frozenset(seen)
