"""The names of a file: those that it binds, and those that `from x import *` gives it of what is not the project's."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, Value
from fixgrad.knowledge import conversion, factory, tensor_function

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

# `from numpy import *` leaves them alone.
_BUILTINS = set(dir(builtins)) - {
    "abs",
    "all",
    "any",
    "divmod",
    "max",
    "min",
    "pow",
    "round",
    "sum",
}


def module_attribute(m: Machine, state: State, module: Thing, name: str) -> Value:
    """Return a global of a module of the project, if it is bound."""
    found = state.get((module, name))
    if found:
        return frozenset(found)
    if state.get((module, "*")):  # `globals()[name] = x`
        return frozenset(state.get((module, "*")))
    for star in state.get((module, "#stars"), ()):  # `from torch import *` in it
        qualified = f"{star}.{name}"
        is_known = conversion(qualified) or factory(qualified) or tensor_function(qualified)
        if is_known or (star.startswith("numpy") and name not in _BUILTINS):
            return frozenset((m.thing("external", None, (), qualified),))
    return NOTHING


def add_stars(state: State, owner: Thing, names: tuple[str, ...]) -> None:
    """Note the modules that are not the project's and whose every name a file has."""
    if names:
        before = state.get((owner, "#stars"), ())
        state.set((owner, "#stars"), (*before, *(n for n in names if n not in before)))


def forget_stars(m: Machine, f: Frame, state: State) -> None:
    """Forget what star imports gave a file: who gets its `globals()` may put wrappers in their place."""
    state.set((m.module_thing(f.module.path), "#stars"), ())
