"""Parts of lists and tuples: slices, what is unpacked, and what stands behind the items that are known.

Of a list that a loop has filled, the first items may be known one by one, and the number of the others not.
Facts of such a list: #repeats, those of the first items that may stand further behind again; #last, the last
item, where it was appended just now and stands nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.guards import holds_all, sift, some_of
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, UNKNOWN, Site, Thing, Value, known, of_kind, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def numbered(state: State, thing: Thing) -> list[Value] | None:
    """Return the items one by one, where all are known."""
    length = state.get((thing, "#length"), "maybe")
    if length == "maybe":
        return None
    numbers = range(int(length))
    return [frozenset(state.get((thing, f"[{n}]"), NOTHING)) or UNKNOWN for n in numbers]


def behind(state: State, thing: Thing, start: int) -> Value:
    """Return what may stand from an index on in a list whose length is not known."""
    whole: Value = frozenset(state.get((thing, "[*]"), NOTHING))
    first = containers.beginning(state, thing)
    if len(first) < start:
        return whole
    again: Value = state.get((thing, "#repeats"), NOTHING)
    return whole - union(first[:start]) | again | union(first[start:]) or whole


def item(m: Machine, state: State, thing: Thing, key: Value) -> Value:
    """Read an item by its number, which may be the last, or one that is known to be no smaller than another."""
    last: Value = state.get((thing, "#last"), NOTHING)
    if last and known(key) == (True, -1):
        return last
    bounds = bounds_of(m, key)
    if bounds is not None:
        items = numbered(state, thing)
        found = union(items[bounds]) if items is not None else within(state, thing, bounds)
        return found or UNKNOWN
    return containers.item(state, thing, key)


def bounds_of(m: Machine, key: Value) -> slice | None:
    """Return which items the numbers of a range are those of: `xs[i]` of `for i in range(1, end)`."""
    found = [m.graph.ranges[t] for t in key if t in m.graph.ranges]
    return found[0] if len(key) == 1 and found else None


def lacks_some(m: Machine, state: State, thing: Thing, key: Value, through: Value) -> bool:
    """Say whether the items of such numbers are not all, and nobody knows which: `range(1, len(ps))`.

    `through` is what the loop that gives the number goes through.
    """
    bounds = bounds_of(m, key)
    if bounds is None and through and all(_has_any_end(m, t) for t in through):
        return len(numbered(state, thing) or ()) > 1  # a list that is written out
    if bounds is None or (not bounds.start and bounds.step == 1):
        return False
    return item(m, state, thing, key) >= frozenset(state.get((thing, "[*]"), NOTHING))


def _has_any_end(m: Machine, thing: Thing) -> bool:
    return thing.kind == "number" and thing not in m.graph.counts


def numbers_from(m: Machine, f: Frame, place: Place, values: list[Value]) -> Value:
    """Return what a range goes through whose end or smallest number is known; nothing of other ranges."""
    each = [known(value) for value in values]
    if not 0 < len(each) < 4:
        return NOTHING
    start, stop, step = ((True, 0), *each, (True, 1)) if len(each) == 1 else (*each, (True, 1))[:3]
    numbers = [number for sure, number in (start, stop, step) if sure]
    if not start[0] or not step[0] or not all(isinstance(n, int) and n >= 0 for n in numbers):
        return NOTHING
    if not stop[0] and start[1] == 0 and step[1] == 1:
        return NOTHING
    thing = m.thing("number", Site(f.module.path, place), f.path, "", int)
    bounds = slice(start[1], stop[1], step[1] or 1)
    if m.graph.ranges.setdefault(thing, bounds) != bounds:
        m.graph.ranges[thing] = slice(0, None, 1)
    return frozenset((thing,))


def sliced(m: Machine, f: Frame, state: State, thing: Thing, key: Thing, place: Place) -> Value:
    """Return a part of a list or a tuple."""
    items = numbered(state, thing) if key.data is not None else None
    if items is not None:
        return _part(m, f, state, thing, items[key.data], NOTHING, place)
    return _part(m, f, state, thing, None, within(state, thing, key.data), place)


def _part(
    m: Machine,
    f: Frame,
    state: State,
    thing: Thing,
    items: list[Value] | None,
    whole: Value,
    place: Place,
) -> Value:
    name = f"slice of {thing.number}"
    return frozenset((containers.make(m, f, state, place, thing.kind, items, whole, name),))


def within(state: State, thing: Thing, bounds: slice | None) -> Value:
    """Return what may stand in a slice of a list whose length is not known."""
    start, stop = (bounds.start or 0, bounds.stop) if bounds is not None else (0, None)
    if stop == -1 and start >= 0 and bounds is not None and bounds.step in (None, 1):
        last: Value = state.get((thing, "#last"), NOTHING)
        return behind(state, thing, start) - last or last
    if bounds is None or bounds.step not in (None, 1) or start < 0:
        return behind(state, thing, 0)
    first = containers.beginning(state, thing)
    if stop is not None and start < stop <= len(first):
        return union(first[start:stop])
    return behind(state, thing, start)


def part(m: Machine, f: Frame, state: State, thing: Thing, op: Op) -> Value:
    """Read an element that is unpacked: target is "0", "-1", or "*1:2" for the rest, with two behind it."""
    items = numbered(state, thing)
    if op.target.startswith("*"):
        before, _, after = op.target[1:].partition(":")
        end = len(items) - int(after or 0) if items is not None else 0
        rest = items[int(before) : end] if items is not None else None
        whole = behind(state, thing, int(before)) if items is None else NOTHING
        if after == "1":
            whole -= state.get((thing, "#last"), NOTHING)
        made = containers.make(m, f, state, op.place, "list", rest, whole)
        if rest is None and (int(before) or int(after or 0)):
            state.set((made, "#partial"), True)
            some_of(m, state, thing, made)
        return frozenset((made,))
    number = int(op.target)
    if items is not None:
        return items[number] if -len(items) <= number < len(items) else UNKNOWN
    first = containers.beginning(state, thing)
    if 0 <= number < len(first):
        return first[number]
    last: Value = state.get((thing, "#last"), NOTHING)
    if number == -1 and last:
        return last
    return behind(state, thing, max(number, 0)) or UNKNOWN


def begin(state: State, made: Thing, first: list[Value], others: Value) -> None:
    """Note with which items a list begins that was made of these and of others, of unknown number."""
    for number, value in enumerate(first[: containers.MOST_ITEMS]):
        containers.put(state, made, f"[{number}]", value, True)
    again = others & union(first)
    if again:
        state.set((made, "#repeats"), again)


def end(state: State, made: Thing, parts: list[Value]) -> None:
    """Note with which item a list ends that was made of these parts in order, where it stands nowhere else."""
    if parts and parts[-1].isdisjoint(union(parts[:-1])):
        state.set((made, "#last"), parts[-1])


def halves(state: State, value: Value) -> tuple[list[Value], Value]:
    """Return the items that are known of one list, from its first on, and what may stand behind them."""
    listed = of_kind(value, "list", "tuple") if len(value) == 1 else []
    first = containers.beginning(state, listed[0]) if listed else []
    return first, behind(state, listed[0], len(first)) if first else NOTHING


def begin_like(state: State, made: Thing, value: Value) -> None:
    """Note that a list begins as another that it was made of, where that is one and of unknown length."""
    if state.get((made, "#length")) == "maybe":
        begin(state, made, *halves(state, value))


def parted(state: State, lists: Iterable[Value]) -> tuple[list[Value], list[Value]]:
    """Return the lists of unknown length among some, and the others, whose items are known one by one."""
    whole: list[Value] = []
    known: list[Value] = []
    for value in lists:
        sure = all(state.get((t, "#length"), "maybe") != "maybe" for t in value)
        (known if sure else whole).append(value)
    return whole, known


def joined(m: Machine, f: Frame, state: State, op: Op, left: Value, right: Value) -> Value:
    """Return the list or tuple that `left + right` is, or `left * number`."""
    sides = [side if of_kind(side, "list", "tuple") else NOTHING for side in (left, right)]
    each = [containers.elements(m, f, state, side, op) if side else None for side in sides]
    anything = union(containers.any_element(m, f, state, side, op) for side in sides if side)
    one, other = each
    items = one + other if one is not None and other is not None and op.target != "*" else None
    if op.target == "*":
        items = _repeated(one if one is not None else other, left if one is None else right)
    kind = "tuple" if of_kind(left, "tuple") else "list"
    made = containers.make(m, f, state, op.place, kind, items, anything)
    if items is None and op.target == "+":
        first, others = (one, NOTHING) if one is not None else halves(state, left)
        if other is None and sides[1]:
            others |= containers.any_element(m, f, state, right, op)
        begin(state, made, first, others | union(other or []))
        if other:
            end(state, made, [*first, others, *other])
        elif other is None and len(right) == 1:
            last = state.get((next(iter(right)), "#last"), NOTHING)
            end(state, made, [*first, halves(state, left)[1], last] if last else [])
    elif items is None:
        end(state, made, (one if one is not None else other) or [])
    holds_all(m, state, made, *parted(state, (left, right)))
    sift(m, state, union(sides), frozenset((made,)), only=True)
    return frozenset((made,))


def _repeated(items: list[Value] | None, times: Value) -> list[Value] | None:
    """Return the items of `[w] * 2`, where it is known how often they stand there and that is few times."""
    sure, number = known(times)
    if items is None or not sure or not isinstance(number, int) or isinstance(number, bool):
        return None
    return items * number if len(items) * number <= containers.MOST_ITEMS else None


def summed(m: Machine, f: Frame, state: State, op: Op, lists: Value) -> Value:
    """Return the items of several lists, one behind the other."""
    each = containers.elements(m, f, state, lists, op)
    sources = each if each is not None else [containers.any_element(m, f, state, lists, op)]
    inner = [containers.elements(m, f, state, source, op) for source in sources]
    known_ones = each is not None and all(part is not None for part in inner)
    items = [item for part in inner for item in part or []] if known_ones else None
    anything = union(containers.any_element(m, f, state, source, op) for source in sources)
    made = containers.make(m, f, state, op.place, "list", items, anything)
    holds_all(m, state, made, *parted(state, sources))
    return frozenset((made,))
