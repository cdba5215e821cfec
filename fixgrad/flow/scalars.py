"""Python numbers taken of tensors and arrays: each remembers the tensors whose values it holds.

A number that goes back into a tensor brings the value and leaves the gradient behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Call
from fixgrad.flow.arrays import hold, present_in, sources_of
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import log, use_values
from fixgrad.flow.values import NOTHING, NUMBER, REAL, Site, Thing, Value, of_kind
from fixgrad.knowledge import python_float

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_WHOLE = frozenset(("ceil", "floor", "trunc", "isfinite", "isinf", "isnan", "isclose"))


def taken(
    m: Machine, f: Frame, state: State, place: Place, values: Iterable[Value], name: str
) -> Value:
    """Return the number that is computed from values."""
    inputs = [t for v in values for t in v if t.kind in ("tensor", "array", "number")]
    if not sources_of(state, inputs):
        return NUMBER
    number = m.thing("number", Site(f.module.path, place), f.path, name)
    hold(m, state, number, name, inputs)
    return frozenset((number,))


def math_call(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Call a function of `math`: it takes the number of a tensor."""
    values = [consume(m, f, state, a.value, a.place) for a in call.arguments]
    for argument, value in zip(call.arguments, values, strict=True):
        tensors = of_kind(value, "tensor")
        use_values(m, f, state, tensors, argument.place)
        for tensor in tensors:
            log(m, f, state, "shown", tensor, argument.place)
    if name in _WHOLE:
        return NUMBER  # its gradient is zero anyway
    return taken(m, f, state, call.place, values, f"math.{name}")


def numbers_in(state: State, value: Value) -> list[Thing]:
    """Return the numbers of a value, and of the lists in it."""
    found = of_kind(value, "number")
    for thing in of_kind(value, "list", "tuple"):
        found += of_kind(state.get((thing, "[*]"), NOTHING), "number")
    return found


def bring_values(m: Machine, state: State, made: Thing, values: Iterable[Value]) -> None:
    """Note that numbers among an operation's operands brought the values of tensors without gradient."""
    numbers = [t for v in values for t in numbers_in(state, v) if t.name]
    if numbers:
        sources = sources_of(state, numbers) - {made}
        state.add((made, "#present"), present_in(m, state, numbers) - {made})
        m.graph.by_value.setdefault(made, set()).update(sources)


def without_names(value: Value) -> Value:
    """Return a value with Python's floats that have a name, as `np.pi`, as the numbers that they are."""
    if len(value) == 1:
        (thing,) = value
        if thing.kind == "external" and python_float(thing.name):
            return REAL
    return value
