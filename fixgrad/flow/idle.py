"""Calls of the project's functions that cannot matter, and need not be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.differentiation import may_run_backward
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Code, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine

MOST_ENTRIES = 8  # of a long function by calls that bring no converted data
_SHORT = 30  # operations: entering is cheaper than asking


def is_idle(m: Machine, state: State, call: Call, code: Code) -> bool:
    """Say whether a call cannot matter: no converted data goes in, none is made inside.

    A long function that converts is entered by its first calls only, unless they bring such data.
    """
    function = code.function
    where = (code.module.path, function.place)
    if len(function.places) < _SHORT or code.frames:
        return False
    if where in m.productive:
        m.entries[where] += 1
        if m.entries[where] <= MOST_ENTRIES:
            return False
    values = values_inside(m, state, call, code)
    inside = containers.reachable(state, values)
    if not m.graph.from_data.isdisjoint(inside):
        return False
    if any(of_kind(v, "function", "method", "partial") for v in values):
        return False
    if any(
        _keeps_a_function(state, t) for a in call.arguments for t in of_kind(a.value, "instance")
    ):
        return False
    if where in m.productive:
        m.graph.capped.add(where)
    may_run_backward(state, inside)
    return True


def _keeps_a_function(state: State, instance: Thing) -> bool:
    """Say whether an attribute is a function that somebody has put there: a callback."""
    fields = state.get((instance, "#fields"), frozenset())
    return any(of_kind(state.get((instance, n), NOTHING), "function", "partial") for n in fields)


def values_inside(m: Machine, state: State, call: Call, code: Code) -> list[Value]:
    """Return what a call of a function can see: its arguments, and what it names of its file."""
    owner = m.module_thing(code.module.path)
    named = (state.get((owner, name), NOTHING) for name in sorted(code.function.tokens))
    return [*named, *(a.value for a in call.arguments)]
