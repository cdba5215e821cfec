"""Lists, tuples, dicts and sets: an item is a cell where its index is known, else one cell for all.

Cells of a container: "[0]", "['w']" the items that are known one by one; "[*]" what any item may be;
#length a number as text, or "maybe"; #order the items of a dict as they were put in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import kept_results, texts
from fixgrad.flow.arrays import array_item, hold, sources_of
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.keys import behind, field_of
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, identity
from fixgrad.flow.values import (
    NOTHING,
    NUMBER,
    UNKNOWN,
    WHOLE,
    Site,
    Thing,
    Value,
    constant,
    known,
    of_kind,
    ordered,
    summed_up,
    union,
)
from fixgrad.knowledge import tensor_operator

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

CONTAINERS = ("list", "tuple", "dict", "set")
MOST_ITEMS = 64  # known one by one


def make(
    m: Machine,
    f: Frame,
    state: State,
    place: Place,
    kind: str,
    items: list[Value] | None,
    anything: Value = NOTHING,
    name: str = "",
    *,
    fresh: bool = False,
) -> Thing:
    """Make a container of known items, or of whatever `anything` is."""
    thing = m.thing("list" if kind == "set" else kind, Site(f.module.path, place), f.path, name)
    for field in state.get((thing, "#fields"), ()):
        state.set((thing, field), NOTHING)
    # What an earlier turn put into it is still there for who holds that one: `params = new`.
    earlier: Value = state.get((thing, "[*]"), NOTHING) if m.loops and not fresh else NOTHING
    if _are_spent(state, earlier) and not state.is_held(thing):
        earlier = NOTHING
    state.set((thing, "[*]"), summed_up(union([anything, earlier, *(items or [])])))
    sized = items is not None and len(items) <= MOST_ITEMS
    state.set((thing, "#length"), str(len(items)) if items is not None and sized else "maybe")
    fields: list[str] = []
    if items is not None and sized:
        for n, item_value in enumerate(items):
            fields.append(f"[{n}]")
            state.set((thing, f"[{n}]"), item_value)
    state.set((thing, "#fields"), frozenset(fields))
    for field in ("#repeats", "#last", "#each", "#spent", "#older"):
        if state.get((thing, field)):
            state.set((thing, field), NOTHING)
    if kind == "dict":
        state.set((thing, "#order"), ())
        state.set((thing, "#sure"), frozenset())
        state.set((thing, "#closed"), False)
    return thing


def _are_spent(state: State, items: Value) -> bool:
    """Say whether a backward pass has gone through one of the items: to keep it is to fail later."""
    return any(state.get((identity(t), "#freed")) for t in items if t.kind == "tensor")


def put(state: State, thing: Thing, field: str, value: Value, strong: bool) -> None:
    (state.set if strong else state.add)((thing, field), value)
    state.add((thing, "#fields"), frozenset((field,)))
    order = state.get((thing, "#order"), ()) if thing.kind == "dict" else (field,)
    if field not in order:
        state.set((thing, "#order"), (*order, field))
    if strong and thing.kind == "dict":
        state.set((thing, "#sure"), state.get((thing, "#sure"), frozenset()) | {field})


def fields_in_order(state: State, thing: Thing) -> list[str]:
    """Return the cells of a dict's items as they were put in, those of a list by name."""
    fields = state.get((thing, "#fields"), frozenset())
    order: tuple[str, ...] = state.get((thing, "#order"), ())
    return [*(name for name in order if name in fields), *sorted(fields.difference(order))]


def forget(state: State, thing: Thing, field: str) -> None:
    """Note that a dict may not have an item any more."""
    state.set((thing, "#sure"), state.get((thing, "#sure"), frozenset()) - {field})


def hand_out(state: State, value: Value) -> None:
    """Note that code which is not known may put keys into a dict, and take them out."""
    for thing in of_kind(value, "dict"):
        state.set((thing, "#closed"), False)
        state.set((thing, "#sure"), frozenset())


def _write_through(state: State, thing: Thing, key: Value, value: Value) -> None:
    """Let the objects whose attributes a dict is have what is put into it."""
    sure, name = known(key)
    for owner in state.get((thing, "#owner"), ()):
        if sure and isinstance(name, str):
            state.set((owner, name), value)
            state.add((owner, "#fields"), frozenset((name,)))
        else:
            state.add((owner, "*"), value)


def set_item(state: State, thing: Thing, key: Value, value: Value, strong: bool) -> None:
    """Write an item."""
    if thing.name in ("namespace", "variables"):
        _write_through(state, thing, key, value)
    field = _index(state, thing, key) if thing.kind == "list" else field_of(state, key)
    if field is not None:
        again = strong and bool(state.get((thing, field)))
        whole = again and _all_known(state, thing)
        put(state, thing, field, value, strong)
        if whole:
            state.set((thing, "[*]"), _one_by_one(state, thing))
            return
    else:
        state.set((thing, "#closed"), False)
        for other in state.get((thing, "#fields"), frozenset()):
            state.add((thing, other), value)
    state.add((thing, "[*]"), value)


def _index(state: State, thing: Thing, key: Value) -> str | None:
    """Return the cell of a list's item, counted from the end too."""
    sure, number = known(key)
    if not (sure and isinstance(number, int) and number < 0):
        return field_of(state, key)
    length = state.get((thing, "#length"), "maybe")
    return f"[{int(length) + number}]" if length != "maybe" else None


def _one_by_one(state: State, thing: Thing) -> Value:
    """Return what is known of the items one by one."""
    fields = sorted(state.get((thing, "#fields"), frozenset()))
    return union(frozenset(state.get((thing, name), NOTHING)) for name in fields)


def has(state: State, thing: Thing, key: Value) -> bool:
    """Say whether a dict certainly has an item of this key."""
    field = field_of(state, key)
    return field is not None and bool(state.get((thing, field)))


def item(state: State, thing: Thing, key: Value) -> Value:
    """Read an item."""
    field = field_of(state, key)
    if thing.name == "variables" and field is not None:
        owners, name = state.get((thing, "#owner"), ()), str(known(key)[1])
        return union(state.get((t, name), NOTHING) for t in owners) or UNKNOWN
    if field is not None:
        sure, number = known(key)
        if sure and isinstance(number, int) and number < 0:
            length = state.get((thing, "#length"), "maybe")
            field = f"[{int(length) + number}]" if length != "maybe" else "[?]"
        found = state.get((thing, field))
        if found:
            return frozenset(found)
    ends = texts.ends_of(key)
    if ends and thing.kind == "dict" and _all_known(state, thing):
        fitting = [(k, v) for k, v in known_items(state, thing) or [] if _fits(ends, k)]
        if fitting:
            return union(v for _, v in fitting)
    return frozenset(state.get((thing, "[*]"), NOTHING)) or UNKNOWN


def _fits(ends: tuple[str, str], key: Value) -> bool:
    _, name = known(key)
    return isinstance(name, str) and texts.fits(ends, name)


def append(state: State, thing: Thing, value: Value, strong: bool) -> None:
    """Add an item at the end."""
    length = state.get((thing, "#length"), "maybe")
    if strong and length != "maybe" and int(length) < MOST_ITEMS:
        put(state, thing, f"[{length}]", value, True)
        state.set((thing, "#length"), str(int(length) + 1))
        state.add((thing, "[*]"), value)
    else:
        put_somewhere(state, thing, value, last=strong)


def beginning(state: State, thing: Thing) -> list[Value]:
    """Return the first items, as far as they are known one by one."""
    found: list[Value] = []
    while item := state.get((thing, f"[{len(found)}]")):
        found.append(frozenset(item))
    return found


def put_somewhere(state: State, thing: Thing, value: Value, *, last: bool = False) -> None:
    """Put something behind the items that are known."""
    state.set((thing, "#length"), "maybe")
    end = value if last and value.isdisjoint(state.get((thing, "[*]"), NOTHING)) else NOTHING
    if end or state.get((thing, "#last")):
        state.set((thing, "#last"), end)
    state.add((thing, "[*]"), value)
    again = value & union(beginning(state, thing))
    if again:
        state.add((thing, "#repeats"), again)


def collect(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute the element of a comprehension."""
    container, value = f.values(op)
    value = consume(m, f, state, value, op.place)
    for thing in ordered(container):
        append(state, thing, value, len(container) == 1)


def contents(state: State, value: Value) -> Value:
    """Return a value with the items of named tuples and of subclasses of list and dict in their place."""
    if not any(t.kind in ("instance", "opaque", "module") for t in value):
        return value
    return union(state.get((t, "#items")) or frozenset((t,)) for t in value)


def elements(m: Machine, f: Frame, state: State, value: Value, op: Op) -> list[Value] | None:
    """Return the elements of an iterable one by one, where all of them are known."""
    value = contents(state, value)
    if value and all(t.kind in ("list", "tuple") for t in value):
        lengths = {str(state.get((t, "#length"), "maybe")) for t in value}
        length = lengths.pop()
        if lengths or length == "maybe":
            return None
        return [
            union(state.get((t, f"[{n}]"), NOTHING) for t in ordered(value)) or UNKNOWN
            for n in range(int(length))
        ]
    if len(value) != 1:
        return None
    (thing,) = value
    if thing.kind == "const" and isinstance(thing.data, str | tuple):
        return [constant(part) for part in thing.data[:MOST_ITEMS]]
    if thing.kind == "dict":
        items = known_items(state, thing)
        return None if items is None else [key for key, _ in items]
    return None


def known_items(state: State, thing: Thing) -> list[tuple[Value, Value]] | None:
    """Return the keys and values of a dict where all are known, as they were put in."""
    if not _all_known(state, thing):
        return None
    fields = fields_in_order(state, thing)
    return [(behind(name), frozenset(state.get((thing, name), NOTHING))) for name in fields]


def _all_known(state: State, thing: Thing) -> bool:
    """Tell whether nothing is held beside the items whose keys are known."""
    fields = state.get((thing, "#fields"), frozenset())
    known_ones = union(state.get((thing, name), NOTHING) for name in fields)
    return frozenset(state.get((thing, "[*]"), NOTHING)) <= known_ones


def any_element(m: Machine, f: Frame, state: State, value: Value, op: Op) -> Value:
    """Return what any element of an iterable may be."""
    found: list[Value] = []
    for thing in ordered(contents(state, value)):
        if thing.kind in ("list", "tuple"):
            inside = frozenset(state.get((thing, "[*]"), NOTHING))
            found.append(kept_results.taken(m, f, state, op.place, thing, inside))
        elif thing.kind == "dict":
            found.append(UNKNOWN)
        elif thing.kind == "tensor":
            row = tensor_operator("[]")
            assert row is not None
            row, name = row._replace(alias="view"), f"element of {thing.number}"
            found.append(frozenset((derive(m, f, state, op.place, row, [thing], name=name),)))
        elif thing.kind == "array":
            name = f"element of {thing.number}"
            found.append(array_item(m, f, state, thing, UNKNOWN, op, name))
        elif thing.kind == "module":
            found.append(frozenset(state.get((thing, "#inner"), NOTHING)) or value)
        elif thing.kind in ("const", "number", "text"):
            bounded = thing in m.graph.ranges
            found.append(frozenset((thing,)) if bounded else WHOLE if thing.data is int else NUMBER)
        elif state.get((thing, "#samples")):
            found.append(m.batch(m, f, state, op.place, thing))
        else:
            found.append(carry(m, f, state, op.place, [frozenset((thing,))], "element"))
    return union(found) or UNKNOWN


def given(state: State, value: Value) -> Value:
    """Return a value with what stands in its lists, where they hold tensors."""
    listed: Value = union(state.get((t, "[*]"), NOTHING) for t in of_kind(value, "list", "tuple"))
    return value | listed if any(t.kind == "tensor" for t in listed) else value


def with_elements(state: State, value: Value) -> Value:
    """Return a value with what stands in its lists."""
    listed = of_kind(contents(state, value), "list", "tuple")
    return value.union(*(state.get((t, "[*]"), NOTHING) for t in listed))


_HOLD_NOTHING = frozenset(
    ("array", "class", "const", "external", "file", "function", "grad", "number", "text")
)


def reachable(state: State, values: Iterable[Value], *, sure: bool = False) -> list[Thing]:
    """Return the tensors, and what unknown code carries of tensors, inside values; `sure`: in each such program."""
    pending = [t for v in values for t in v if t.kind not in _HOLD_NOTHING]
    if not pending:
        return []
    found: dict[Thing, None] = {}
    seen: set[Thing] = set()
    while pending:
        thing = pending.pop()
        if thing in seen:
            continue
        seen.add(thing)
        if thing.kind == "tensor":
            found[identity(thing)] = None
        elif thing.kind == "opaque":
            if state.get((thing, "#inputs")):
                found[thing] = None
            for field in state.get((thing, "#fields"), ()):  # of a record
                pending.extend(state.get((thing, field), ()))
        elif thing.kind == "method":
            pending.append(thing.data[0] if isinstance(thing.data, tuple) else thing.data)
        elif thing.kind == "module":
            found[thing] = None
        elif thing.kind in (*CONTAINERS, "instance"):
            for field in (*state.get((thing, "#fields"), ()), "[*]", "#items"):
                held = state.get((thing, field), ())
                for inner in () if sure and len(held) > 1 else held:
                    if inner.kind not in _HOLD_NOTHING and inner not in seen:
                        pending.append(inner)
    return ordered(found)


def carry(
    m: Machine, f: Frame, state: State, place: Place, values: Iterable[Value], name: str = ""
) -> Value:
    """Return the result of code that is not known: it may carry whatever tensors went in."""
    values = list(values)
    inputs = frozenset(reachable(state, values))
    held = [t for v in values for t in v if t.kind in ("array", "number", "opaque")]
    if not inputs and not sources_of(state, held):
        return UNKNOWN
    thing = m.thing("opaque", Site(f.module.path, place), f.path, f"result {name}")
    hold(m, state, thing, name, held)
    state.set((thing, "#inputs"), inputs - {thing})
    m.graph.carried.setdefault(thing, set()).update(inputs - {thing})
    if not m.graph.from_data.isdisjoint(inputs):
        m.graph.from_data.add(thing)
    return frozenset((thing,))


def escape(state: State, holder: Thing, values: Iterable[Value]) -> None:
    """Note that an unknown object keeps values and may hand them on later."""
    if holder.kind == "opaque" and holder.name != "unknown":
        inputs = frozenset(reachable(state, values)) - {holder}
        if inputs:
            state.add((holder, "#inputs"), inputs)


def element_op(place: Place) -> Op:
    """Return an operation that stands for taking an element at a place."""
    return Op("item", place)
