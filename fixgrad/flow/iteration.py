"""What is made of what can be iterated: comprehensions, zip, enumerate, sorted, filter, next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import container_changes, containers, each_once
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.generators import exhaust
from fixgrad.flow.gradients import fails_for_untracked
from fixgrad.flow.guards import choose, holds_all, lose, sift, sort_out
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    WHOLE,
    Thing,
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
    ends = [_end(m, value) for value in values]
    lengths |= {end for end in ends if end is not None and lengths}
    if -1 in lengths:  # how many numbers a range has is not known
        lengths -= {-1}
        for value in values:
            for thing in of_kind(value, "list", "tuple"):
                choose(m, state, thing)
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


def _end(m: Machine, value: Value) -> int | None:
    """Return how many numbers a range has, -1 where that is not known; None of anything else."""
    if len(value) != 1 or not of_kind(value, "number"):
        return None
    (thing,) = value
    bounds = m.graph.ranges.get(thing)
    if bounds is None:
        return None if thing in m.graph.counts else -1
    return -1 if bounds.stop is None else len(range(bounds.start, bounds.stop, bounds.step))


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
        made = containers.make(m, f, state, call.place, "list", None, frozenset((row,)))
        each_once.pass_on(state, values[:1], made)
        return frozenset((made,))
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
    listed = containers.elements(m, f, state, values[0], op) if values else None
    items = in_order(m, f, state, call, listed or [])
    if items is None:
        return _reordered(m, f, state, call, values)
    made = containers.make(m, f, state, call.place, "list", items)
    holds_all(m, state, made, values[:1])
    return frozenset((made,))


def in_order(
    m: Machine, f: Frame, state: State, call: Call, items: list[Value]
) -> list[Value] | None:
    """Return the items as `sorted` orders them, where what they are sorted by is known of each."""
    key, back = call.keyword("key"), call.keyword("reverse")
    sure, backwards = known(back) if back is not None else (True, False)
    if not items or not sure:
        return None
    by = items
    if key is not None and known(key) != (True, None):
        if not of_kind(key, "function", "partial"):
            return None
        by = [
            m.apply(m, f, state, Call(call.place, (Argument(v, call.place),)), key) for v in items
        ]
    each = [known(value) for value in by]
    if not all(is_known for is_known, _ in each) or {type(v) for _, v in each} not in _SORTABLE:
        return None
    order = sorted(range(len(items)), key=lambda n: each[n][1], reverse=bool(backwards))
    return [items[n] for n in order]


_SORTABLE: tuple[set[type], ...] = ({str}, {int}, {float}, {bool})


def _reversed(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    items = containers.elements(m, f, state, values[0], containers.element_op(call.place))
    if items is None:
        return _reordered(m, f, state, call, values)
    made = containers.make(m, f, state, call.place, "list", items[::-1])
    holds_all(m, state, made, values[:1])
    return frozenset((made,))


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
        outcome = passes(m, f, state, call, values[0], value)
        if outcome == "maybe":
            sort_out(m, containers.reachable(state, (value,)))
        kept += [value] if outcome != "no" else []
    items = kept if listed is not None or not kept else None
    return frozenset((containers.make(m, f, state, call.place, "list", items, union(kept)),))


def passes(m: Machine, f: Frame, state: State, call: Call, test: Value, value: Value) -> str:
    """Say whether a function lets an item through."""
    given = Call(call.place, (Argument(value, call.place),))
    if not of_kind(test, "function", "method", "partial"):
        return "maybe"
    outcome = m.apply(m, f, state, given, test)
    sure, passed = known(outcome)
    if fails_for_untracked(state, outcome):
        return "no"
    return "maybe" if not sure else "yes" if passed else "no"


def _iterator(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    """iter: what `next` takes one by one of, or what a function gives again and again."""
    if len(values) == 2:
        found = m.apply(m, f, state, Call(call.place), values[0])
        return frozenset((containers.make(m, f, state, call.place, "list", None, found),))
    given = values[0] if values else UNKNOWN
    walked = [t for t in of_kind(given, "list", "tuple") if not t.name.startswith("generator")]
    if len(walked) != 1 or len(given) != 1:
        return given
    made = containers.make(m, f, state, call.place, "list", [], name=_ITERATOR, fresh=True)
    container_changes.copy_items(state, walked[0], made)
    m.graph.all_of[made] = {walked[0]}
    return frozenset((made,))


_ITERATOR = "iterator"


def _next(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    first = containers.any_element(m, f, state, values[0], op) if values else UNKNOWN
    for thing in of_kind(values[0], "list", "tuple", "dict") if values else []:
        if thing.name.startswith("generator"):
            if len(values) == 1:
                exhaust(m, f, state, call, values[0])
        elif thing.name == _ITERATOR and len(values[0]) == 1 and not m.loops:
            first = _taken_first(m, state, thing) or first
        elif state.get((thing, "#length")) != "1":
            _take_any(m, state, thing)
    return first | union(values[1:])


def _taken_first(m: Machine, state: State, thing: Thing) -> Value:
    """Take the next item of an iterator."""
    first = containers.beginning(state, thing)[:1]
    if not first:
        _take_any(m, state, thing)
        return NOTHING
    container_changes.pop(state, thing, constant(0), True)
    lose(state, thing)
    return first[0]


def _take_any(m: Machine, state: State, thing: Thing) -> None:
    for of in m.graph.all_of.get(thing, (thing,)) if thing.name == _ITERATOR else (thing,):
        choose(m, state, of)
    lose(state, thing)
    if thing.name == _ITERATOR:
        state.set((thing, "#partial"), True)


def collect(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute the element of a comprehension."""
    container, value = f.values(op)
    sift(m, state, value, container, only=True)
    containers.collect(m, f, op, state)
    for thing in container:
        each_once.note(m, state, thing, value, op.place)


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
    for field in (
        *sorted(fields),
        "[*]",
        "#length",
        "#fields",
        "#sure",
        "#closed",
        "#partial",
        "#each",
    ):
        state.set((made, field), state.get((built, field), NOTHING))
    state.set((made, "#order"), state.get((built, "#order"), ()))
    f.registers[op.out] = frozenset((made,))


HANDLERS: dict[str, Handler] = {
    "enumerate": _enumerate,
    "filter": _filter,
    "iter": _iterator,
    "next": _next,
    "reversed": _reversed,
    "sorted": _sorted,
    "zip": _zip,
}
