"""Calls of the project's functions that cannot matter, and need not be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.differentiation import may_run_backward
from fixgrad.flow.graph import Where
from fixgrad.flow.library import is_library
from fixgrad.flow.state import State
from fixgrad.flow.tokens import asks
from fixgrad.flow.values import NOTHING, Code, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

MOST_ENTRIES = 8  # of a long function by calls that bring no converted data
LARGE, MOST_IN_LARGE = 200_000, 4  # operations, after which as many entries must do
_SHORT = 30  # operations: entering is cheaper than asking
# What a function returns that converts nothing is arrays, numbers, a setting: there is time to ask in projects of
# so many operations, of functions of so many, and so often.
_SMALL, _MODERATE, _FEW = 50_000, 250, 2


def is_idle(m: Machine, f: Frame, state: State, call: Call, code: Code) -> bool:
    """Say whether a call cannot matter: no converted data goes in, none is made inside.

    A long function that converts is entered by its first calls only, unless they bring such data or
    stand, in a project that is not large, in a function that asks for gradients itself.
    """
    function = code.function
    where = (code.module.path, function.place)
    if function.size < _SHORT or is_library(code.module.path):
        return False
    if _is_entered(m, f, code, where):
        return False
    values = values_inside(m, state, call, code)
    if any(_may_bring_data(m, t) for v in values for t in v):
        return False
    holders = (t for a in call.arguments for t in a.value if t.kind in _HOLDERS)
    if any(_keeps_a_function(m, state, t) for t in holders):
        return False
    inside = containers.reachable(state, values)
    if not m.graph.from_data.isdisjoint(inside):
        return False
    if where in m.productive:
        m.graph.capped.add(where)
    if code.frames or any(t.kind == "function" for v in values for t in v):
        m.passed_over.add(where)
    may_run_backward(state, inside)
    return True


def _is_entered(m: Machine, f: Frame, code: Code, where: Where) -> bool:
    """Say whether a function is entered whatever it is given: by its first calls, and where its caller asks."""
    if where in m.productive:
        small = m.executed < LARGE
        most = MOST_ENTRIES if small else MOST_IN_LARGE
        asked = small and asks(f.module, f.function)
    elif code.function.size < _MODERATE and m.executed < _SMALL:
        most, asked = _FEW, False
    else:
        return False
    m.entries[where] += 1
    return asked or m.entries[where] <= most


_HOLDERS = ("instance", *containers.CONTAINERS)


def _keeps_a_function(m: Machine, state: State, holder: Thing) -> bool:
    """Say whether an attribute or an item is a function that somebody has put there: a callback."""
    fields = (*state.get((holder, "#fields"), ()), "[*]")
    kept = (of_kind(state.get((holder, n), NOTHING), "function", "partial") for n in fields)
    return any(_may_bring_data(m, t) for things in kept for t in things)


def _may_bring_data(m: Machine, thing: Thing) -> bool:
    """Say whether a function at hand may convert or make a module, or holds what stands around it."""
    if thing.kind != "function":
        return thing.kind in ("method", "partial")
    code: Code = thing.data
    return bool(code.frames) or (code.module.path, code.function.place) in m.building


def values_inside(m: Machine, state: State, call: Call, code: Code) -> list[Value]:
    """Return what a call of a function can see: its arguments, and what it names of its file."""
    owners = (*code.frames, m.module_thing(code.module.path))
    named = (state.get((o, name), NOTHING) for o in owners for name in code.function.tokens)
    return [*named, *(a.value for a in call.arguments)]
