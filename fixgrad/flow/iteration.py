"""What is made of what can be iterated: comprehensions, zip, enumerate, sorted, filter, next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import containers
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.generators import exhaust
from fixgrad.flow.gradients import fails_for_untracked
from fixgrad.flow.guards import choose, holds_all, lose, sort_out
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    WHOLE,
    Value,
    constant,
    known,
    of_kind,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Handler: TypeAlias = Callable[["Machine", "Frame", State, Call, list[Value]], Value]


def _zip(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    listed = [containers.elements(m, f, state, v, op) for v in values]
    anything = [containers.any_element(m, f, state, v, op) for v in values]
    lengths = {len(items) for items in listed if items is not None}
    if not lengths:
        row = containers.make(m, f, state, call.place, "tuple", anything, name="row")
        return frozenset(
            (containers.make(m, f, state, call.place, "list", None, frozenset((row,))),)
        )
    for items, some, value in zip(listed, anything, values, strict=True):
        if items is None:  # which of them stands in which row is not known
            m.dealt.update(identity(t) for t in of_kind(some, "tensor"))
            _take_from(m, state, value, some)
    rows: list[Value] = []
    for n in range(min(lengths)):
        cells = [
            items[n] if items is not None else some
            for items, some in zip(listed, anything, strict=True)
        ]
        row = containers.make(m, f, state, call.place, "tuple", cells, name=f"row {n}")
        rows.append(frozenset((row,)))
    return frozenset((containers.make(m, f, state, call.place, "list", rows),))


def _take_from(m: Machine, state: State, value: Value, items: Value) -> None:
    """Note that each row gets one of the items of a list, nobody knows which."""
    holders = containers.contents(state, value)
    if len(of_kind(holders, "list", "tuple")) != len(holders):
        sort_out(m, of_kind(items, "tensor"))
    for thing in of_kind(holders, "list", "tuple"):
        choose(m, state, thing)


def _enumerate(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    items = containers.elements(m, f, state, values[0], op) if values else None
    if items is None:
        anything = containers.any_element(m, f, state, values[0], op) if values else UNKNOWN
        row = containers.make(m, f, state, call.place, "tuple", [WHOLE, anything], name="row")
        return frozenset(
            (containers.make(m, f, state, call.place, "list", None, frozenset((row,))),)
        )
    start = call.get(1, "start")
    sure, first = known(start.value) if start is not None else (True, 0)
    numbers = range(first, first + len(items)) if sure and isinstance(first, int) else None
    rows: list[Value] = []
    for n, v in enumerate(items):
        number = WHOLE if numbers is None else constant(numbers[n])
        row = containers.make(m, f, state, call.place, "tuple", [number, v], name=f"row {n}")
        rows.append(frozenset((row,)))
    return frozenset((containers.make(m, f, state, call.place, "list", rows),))


def _sorted(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    listed = containers.elements(m, f, state, values[0], op) if len(call.arguments) == 1 else None
    each = [known(value) for value in listed or ()]
    kinds = {type(value) for _, value in each}
    if each and all(sure for sure, _ in each) and kinds in ({str}, {int}):
        items = [constant(value) for value in sorted(value for _, value in each)]
        return frozenset((containers.make(m, f, state, call.place, "list", items),))
    return _reordered(m, f, state, call, values)


def _reordered(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    anything = containers.any_element(m, f, state, values[0], op) if values else UNKNOWN
    for key in values[1:]:
        m.callbacks(m, f, state, call, [key], (anything,))
    made = containers.make(m, f, state, call.place, "list", None, anything)
    holds_all(m, state, made, values[:1])
    return frozenset((made,))


def _filter(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    if len(values) != 2:
        return UNKNOWN
    m.graph.sifted.update(containers.reachable(state, (values[1],)))
    listed = containers.elements(m, f, state, values[1], op)
    each = [containers.any_element(m, f, state, values[1], op)] if listed is None else listed
    kept: list[Value] = []
    for value in each:
        passes = _passes(m, f, state, call, values[0], value)
        if passes == "maybe":
            sort_out(m, containers.reachable(state, (value,)))
        kept += [value] if passes != "no" else []
    items = kept if listed is not None or not kept else None
    return frozenset((containers.make(m, f, state, call.place, "list", items, union(kept)),))


def _passes(m: Machine, f: Frame, state: State, call: Call, test: Value, value: Value) -> str:
    given = Call(call.place, (Argument(value, call.place),))
    if not of_kind(test, "function", "method", "partial"):
        return "maybe"
    outcome = m.apply(m, f, state, given, test)
    sure, passed = known(outcome)
    if fails_for_untracked(state, outcome):
        return "no"
    return "maybe" if not sure else "yes" if passed else "no"


def _next(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    first = containers.any_element(m, f, state, values[0], op) if values else UNKNOWN
    for thing in of_kind(values[0], "list", "tuple", "dict") if values else []:
        if thing.name.startswith("generator") and len(values) == 1:
            exhaust(m, f, state, call, values[0])
        elif not thing.name.startswith("generator") and state.get((thing, "#length")) != "1":
            choose(m, state, thing)
            lose(state, thing)
    return first | union(values[1:])


def finish(m: Machine, f: Frame, op: Op, state: State) -> None:
    """End a comprehension: its result is a new container, though an earlier one may be its source."""
    built = next(iter(of_kind(f.registers[op.args[0]], *containers.CONTAINERS)), None)
    if built is None:  # a plan that is about to be refused has put something behind it
        f.registers[op.out] = UNKNOWN
        return
    made = m.thing(built.kind, built.site, f.path, "comprehension")
    for field in state.get((made, "#fields"), ()):
        state.set((made, field), NOTHING)
    fields = state.get((built, "#fields"), frozenset())
    for field in (*sorted(fields), "[*]", "#length", "#fields", "#sure", "#closed", "#partial"):
        state.set((made, field), state.get((built, field), NOTHING))
    state.set((made, "#order"), state.get((built, "#order"), ()))
    f.registers[op.out] = frozenset((made,))


HANDLERS: dict[str, Handler] = {
    "enumerate": _enumerate,
    "filter": _filter,
    "next": _next,
    "reversed": _reordered,
    "sorted": _sorted,
    "zip": _zip,
}
