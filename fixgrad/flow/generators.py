"""Generators: what they yield, and what they return in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.failures import make, throw
from fixgrad.flow.guards import sift
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.values import NONE, NOTHING, UNKNOWN, Value, of_kind, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def yielded(m: Machine, f: Frame, op: Op, state: State) -> None:
    values = f.values(op)
    f.registers[op.out] = UNKNOWN
    if op.target == "from":
        source = values[0]
        values = _yielded_from(m, f, state, op, source)
    sift(m, state, union(values))
    if f.within is not None:
        f.within(f, state, union(values))
        return
    f.yields.extend(values)
    f.yields_in_order = f.yields_in_order and state is f.top
    f.yields_in_try = f.yields_in_try or f.tries > 0
    if f.top is not None:  # a generator may never be asked for more
        f.returns.append((NONE, state.changes(f.top.mark)))
    if op.target == "from":
        returned = union(state.get((t, "#returned"), NOTHING) for t in source)
        f.registers[op.out] = returned or UNKNOWN


def _yielded_from(m: Machine, f: Frame, state: State, op: Op, source: Value) -> list[Value]:
    listed = containers.elements(m, f, state, source, op)
    if listed is not None:
        return listed
    f.yields_in_order = False
    return [containers.any_element(m, f, state, source, op)]


def exhaust(m: Machine, f: Frame, state: State, call: Call, generators: Value) -> None:
    """Let `next` raise a `StopIteration` that brings what the generator returns."""
    returned = union(state.get((t, "#returned"), NOTHING) for t in of_kind(generators, "list"))
    if returned and m.nets:
        error = make(m, f, state, Call(call.place), "StopIteration", value=returned)
        throw(m, state, error)
