"""Attributes that are set past the class's own `__setattr__`: by that of `object`, or of `super()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import access
from fixgrad.flow.arguments import Argument
from fixgrad.flow.classes import lookup_class
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NONE, UNKNOWN, Thing, Value, known, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

OF_OBJECTS = "builtins.object.__setattr__"


def set_of_each(m: Machine, f: Frame, state: State, place: Place, given: list[Argument]) -> Value:
    """Call `object.__setattr__(owner, name, value)`."""
    if len(given) != 3:
        return UNKNOWN
    for instance in of_kind(given[0].value, "instance"):
        set_plainly(m, f, state, place, instance, given[1].value, given[2].value)
    return NONE


def set_plainly(
    m: Machine, f: Frame, state: State, place: Place, instance: Thing, key: Value, new: Value
) -> None:
    """Write an attribute of an object, or any one where its name is not known."""
    sure, text = known(key)
    fields = [str(text)] if sure else sorted(state.get((instance, "#fields"), frozenset()))
    of_class = instance.data if instance.kind == "instance" else instance
    hooks = [
        t.data.function
        for t in of_kind(lookup_class(state, of_class, "__setattr__")[0], "function")
    ]
    m.stack.extend(hooks)  # as inside of it: it is not asked
    for field in fields:
        access.write_attribute(m, f, state, frozenset((instance,)), field, new, place)
    del m.stack[len(m.stack) - len(hooks) :]
